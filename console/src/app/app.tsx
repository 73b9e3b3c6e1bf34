import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect } from 'react'
import { firstWords, Language, type Words } from '@/app/language'
import { createConsoleRouter } from '@/app/router'
import { createQueryClient } from '@/api/query-client'
import { access } from '@/api/token'
import { showFonts } from '@/lib/fonts'
import { nextTask } from '@/lib/next-task'

const queryClient = createQueryClient()

/** What the first page is made of. */
export type Beginning = { words: Words; router: ReturnType<typeof createConsoleRouter> }

/** Gets it all at once: its words and its code. */
export async function prepare(): Promise<Beginning> {
  const [words, router] = await Promise.all([firstWords(), firstRouter()])
  return { words, router }
}

/** Made in a task of its own: with the first run of all modules it would be one in which a phone does not hear a finger. */
async function firstRouter(): Promise<Beginning['router']> {
  await nextTask()
  const router = createConsoleRouter(queryClient)
  await router.load()
  return router
}

export function App({ words, router }: Beginning) {
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
