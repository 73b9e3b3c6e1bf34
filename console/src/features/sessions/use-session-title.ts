import { useInfiniteQuery } from '@tanstack/react-query'
import { sessionsQuery } from '@/api/sessions'

/** What a session is called: as it was named, or by how it began. */
export function useSessionTitle(sessionId: string | undefined, firstQuestion: string | undefined): string | undefined {
  const { data } = useInfiniteQuery({
    ...sessionsQuery(''),
    enabled: sessionId !== undefined,
    // Others may name it, too.
    refetchInterval: 5_000,
    select: ({ pages }) => {
      const session = pages.flatMap((page) => page.sessions).find((one) => one.id === sessionId)
      return session?.title ?? session?.preview
    },
  })
  if (sessionId === undefined) return undefined
  return data ?? firstQuestion?.slice(0, 120)
}
