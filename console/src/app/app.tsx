import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect } from 'react'
import { Language } from '@/app/language'
import { createConsoleRouter } from '@/app/router'
import { createQueryClient } from '@/api/query-client'
import { access } from '@/api/token'

const queryClient = createQueryClient()
const router = createConsoleRouter(queryClient)

export function App() {
  useEffect(
    () =>
      // What was refused before is asked for again with the new token.
      access.subscribe(() => {
        if (access.get().token) void queryClient.resetQueries()
      }),
    [],
  )
  return (
    <QueryClientProvider client={queryClient}>
      <Language>
        <RouterProvider router={router} />
      </Language>
    </QueryClientProvider>
  )
}
