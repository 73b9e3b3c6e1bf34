import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import * as z from 'zod/mini'
import { request } from '@/api/http'
import { AgentId, AgentStatus } from '@/api/schemas/domain'
import { OVERVIEW_WINDOWS, type OverviewWindow } from '@/lib/overview-window'

/** Rates and percentiles over a stretch of time, and gauges at its end. What is not known is left out, and is not 0. */
const figures = {
  turnsPerSecond: z.exactOptional(z.number()),
  errorsPerSecond: z.exactOptional(z.number()),
  latencyP50Ms: z.exactOptional(z.number()),
  latencyP95Ms: z.exactOptional(z.number()),
  latencyP99Ms: z.exactOptional(z.number()),
  firstEventP95Ms: z.exactOptional(z.number()),
  tokensPerSecond: z.exactOptional(z.number()),
  costPerHour: z.exactOptional(z.number()),
  cacheHitRate: z.exactOptional(z.number()),
  sessions: z.number(),
  connections: z.number(),
}

export const Overview = z.object({
  at: z.string(),
  node: z.exactOptional(z.string()),
  nodes: z.exactOptional(z.array(z.object({ node: z.string(), state: z.enum(['answered', 'silent']) }))),
  window: z.enum(OVERVIEW_WINDOWS),
  stepSeconds: z.number(),
  now: z.object({ overSeconds: z.number(), turnsInFlight: z.number(), ...figures }),
  series: z.array(z.object({ at: z.string(), ...figures })),
  agents: z.array(
    z.object({
      id: AgentId,
      status: AgentStatus,
      turns: z.number(),
      errors: z.number(),
      latencyP50Ms: z.exactOptional(z.number()),
      latencyP95Ms: z.exactOptional(z.number()),
      tokens: z.exactOptional(z.number()),
      cost: z.exactOptional(z.number()),
      cacheHitRate: z.exactOptional(z.number()),
    }),
  ),
  totals: z.object({
    turns: z.number(),
    errors: z.number(),
    tokens: z.exactOptional(z.number()),
    cost: z.exactOptional(z.number()),
    since: z.string(),
  }),
})
export type Overview = z.infer<typeof Overview>
export type OverviewPoint = Overview['series'][number]
export type AgentOverview = Overview['agents'][number]

/** The server reads its metrics this often; to ask more often shows nothing new. */
const EVERY_MS = 5_000

/** Asked again and again, but only while somebody can see it. Another window's figures stay until the new ones are here. */
export function overviewQuery(window: OverviewWindow) {
  return queryOptions({
    queryKey: ['overview', window],
    queryFn: ({ signal }) => request('/api/overview', Overview, { query: { window }, signal, timeoutMs: 10_000 }),
    refetchInterval: EVERY_MS,
    refetchIntervalInBackground: false,
    placeholderData: keepPreviousData,
  })
}

const Services = z.object({
  status: z.enum(['up', 'degraded', 'down']),
  services: z.array(
    z.object({ name: z.string(), state: z.enum(['up', 'degraded', 'down']), detail: z.exactOptional(z.string()) }),
  ),
  timestamp: z.string(),
})
export type Services = z.infer<typeof Services>

/** How the parts are doing that the server depends on. */
export const servicesQuery = queryOptions({
  queryKey: ['services'],
  queryFn: ({ signal }) => request('/api/health/services', Services, { signal, timeoutMs: 10_000 }),
  refetchInterval: EVERY_MS,
  refetchIntervalInBackground: false,
})
