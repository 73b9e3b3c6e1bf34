import { queryOptions } from '@tanstack/react-query'
import * as z from 'zod/mini'
import { ApiError } from '@/api/error'
import { request } from '@/api/http'
import { Agent } from '@/api/schemas/domain'

const Health = z.object({ status: z.string(), version: z.string(), timestamp: z.string() })

const ConsoleInfo = z.object({
  version: z.string(),
  authentication: z.enum(['token', 'open']),
  grafanaUrl: z.exactOptional(z.string()),
  examples: z.array(z.string()),
})
export type ConsoleInfo = z.infer<typeof ConsoleInfo>

/** Whether the server serves at all; asked again and again, for it is what the connection state stands on. */
export const healthQuery = queryOptions({
  queryKey: ['health'],
  queryFn: ({ signal }) => request('/api/health', Health, { signal, timeoutMs: 5_000 }),
  refetchInterval: (query) => (query.state.status === 'error' ? 2_000 : 15_000),
  retry: false,
})

/** What the console must know before it shows anything. */
export const consoleQuery = queryOptions({
  queryKey: ['console'],
  queryFn: ({ signal }) => request('/api/console', ConsoleInfo, { signal }),
  staleTime: Infinity,
  retry: (failures, error) => failures < 10 && error instanceof ApiError && error.isRetryable,
})

const Agents = z.object({ agents: z.array(Agent), hasMore: z.boolean() })

export const agentsQuery = queryOptions({
  queryKey: ['agents'],
  queryFn: async ({ signal }) => (await request('/api/agents', Agents, { signal })).agents,
})
