import { queryOptions } from '@tanstack/react-query'
import * as z from 'zod/mini'
import type { components } from '@/api/generated/rest'
import { request, requestNothing } from '@/api/http'
import type { Same } from '@/api/schemas/same'

const Fact = z.object({
  id: z.string(),
  text: z.string(),
  sessionId: z.string(),
  turnId: z.string(),
  agent: z.string(),
  saidAt: z.string(),
  keptUntil: z.string(),
})
export type Fact = z.infer<typeof Fact>

const Memory = z.object({ enabled: z.boolean(), facts: z.array(Fact) })
export type Memory = z.infer<typeof Memory>

type Rest = components['schemas']
true satisfies Same<Fact, Rest['Fact']>
true satisfies Same<Memory, Rest['Memory']>

const path = (userId: string) => `/api/users/${encodeURIComponent(userId)}/memory`

/** Agents may keep something more while it is looked at. */
const OTHERS_MS = 5_000

/** What agents are told of a user, first what they have said last. */
export const memoryQuery = (userId: string) =>
  queryOptions({
    queryKey: ['memory', userId],
    queryFn: ({ signal }) => request(path(userId), Memory, { signal }),
    refetchInterval: OTHERS_MS,
  })

export function eraseFact(userId: string, factId: string): Promise<void> {
  return requestNothing(`${path(userId)}/${encodeURIComponent(factId)}`, { method: 'DELETE' })
}

export function eraseFacts(userId: string): Promise<void> {
  return requestNothing(path(userId), { method: 'DELETE' })
}
