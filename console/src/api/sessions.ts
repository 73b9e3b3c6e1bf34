import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import * as z from 'zod/mini'
import { request, requestNothing, send } from '@/api/http'
import { ChatSession } from '@/api/schemas/domain'

export const SessionSummary = z.extend(ChatSession, {
  title: z.exactOptional(z.string()),
  preview: z.exactOptional(z.string()),
  state: z.enum(['idle', 'running', 'person']),
  agent: z.exactOptional(z.string()),
})
export type SessionSummary = z.infer<typeof SessionSummary>

const Sessions = z.object({ sessions: z.array(SessionSummary), hasMore: z.boolean() })

export const SESSIONS_KEY = ['sessions'] as const
const PAGE = 40

/** Latest activity first. */
export const sessionsQuery = (query: string) =>
  infiniteQueryOptions({
    queryKey: [...SESSIONS_KEY, query],
    queryFn: ({ signal, pageParam }) =>
      request('/api/sessions', Sessions, {
        signal,
        query: { limit: PAGE, before: pageParam?.id, before_activity: pageParam?.lastActivity, query },
      }),
    initialPageParam: undefined as SessionSummary | undefined,
    // Its activity as it was listed: the session may have moved up since.
    getNextPageParam: (last) => (last.hasMore ? last.sessions.at(-1) : undefined),
  })

/** What the latest active sessions are about, by their id: their titles, or how they began. */
export const sessionNamesQuery = queryOptions({
  queryKey: [...SESSIONS_KEY, 'names'],
  queryFn: async ({ signal }) => {
    const { sessions } = await request('/api/sessions', Sessions, { signal, query: { limit: 200 } })
    return new Map(sessions.map((one) => [one.id, one.title ?? one.preview]))
  },
  refetchInterval: 15_000,
})

const path = (sessionId: string) => `/api/session/${encodeURIComponent(sessionId)}`

export function renameSession(sessionId: string, title: string | null): Promise<SessionSummary> {
  return request(path(sessionId), SessionSummary, { method: 'PATCH', body: { title } })
}

export function deleteSession(sessionId: string): Promise<void> {
  return requestNothing(path(sessionId), { method: 'DELETE' })
}

/** The whole session as a file, under the name that the server gives it. */
export async function exportSession(sessionId: string, format: 'markdown' | 'json'): Promise<{ name: string; content: Blob }> {
  const response = await send(`${path(sessionId)}/export`, { query: { format }, headers: { accept: '*/*' }, timeoutMs: undefined })
  const disposition = response.headers.get('content-disposition') ?? ''
  const name = /filename="([^"]+)"/.exec(disposition)?.[1] ?? `session-${sessionId}.${format === 'json' ? 'json' : 'md'}`
  return { name, content: await response.blob() }
}
