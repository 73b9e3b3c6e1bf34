import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import * as z from 'zod/mini'
import { request } from '@/api/http'
import { AgentDefinition, AgentTurn, Trials, type Draft } from '@/api/schemas/agents'
import { Agent } from '@/api/schemas/domain'

const agentPath = (id: string) => `/api/agents/${encodeURIComponent(id)}`

export const agentQuery = (id: string) =>
  queryOptions({
    queryKey: ['agents', id],
    queryFn: ({ signal }) => request(agentPath(id), Agent, { signal }),
  })

export const definitionQuery = (id: string) =>
  queryOptions({
    queryKey: ['agents', id, 'definition'],
    queryFn: ({ signal }) => request(`${agentPath(id)}/definition`, AgentDefinition, { signal }),
    // It changes only where the server is started anew.
    staleTime: 60_000,
  })

const AgentTurns = z.object({ turns: z.array(AgentTurn), hasMore: z.boolean() })

/** Pages from the newest turn back; each page has its newest last. */
export const agentTurnsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['agents', id, 'turns'],
    queryFn: ({ signal, pageParam }) =>
      request(`${agentPath(id)}/turns`, AgentTurns, { signal, query: { limit: 50, before: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => (last.hasMore ? last.turns[0]?.turnId : undefined),
  })

/** A language model may take its time, twice. */
const TRY_TIMEOUT_MS = 130_000

export function tryAgent(id: string, body: { message: string; draft?: Draft }, signal?: AbortSignal): Promise<Trials> {
  return request(`${agentPath(id)}/try`, Trials, {
    method: 'POST',
    body,
    timeoutMs: TRY_TIMEOUT_MS,
    ...(signal ? { signal } : {}),
  })
}
