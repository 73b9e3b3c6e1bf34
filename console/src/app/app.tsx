import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect } from 'react'
import { firstWords, Language, type Words } from '@/app/language'
import { createConsoleRouter } from '@/app/router'
import { createQueryClient } from '@/api/query-client'
import { access } from '@/api/token'
import { showFonts } from '@/lib/fonts'

const queryClient = createQueryClient()
const router = createConsoleRouter(queryClient)

/** Gets what the first page is made of, all at once: its words and its code. */
export async function prepare(): Promise<Words> {
  const [words] = await Promise.all([firstWords(), router.load()])
  return words
}

export function App({ words }: { words: Words }) {
  useEffect(() => showFonts(document.documentElement), [])
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
      <Language first={words}>
        <RouterProvider router={router} />
      </Language>
    </QueryClientProvider>
  )
}
