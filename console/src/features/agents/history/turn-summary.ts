import type { AgentTurn } from '@/api/schemas/agents'

/** What the turns in view come to. What no turn tells is left out, never 0. */
export type TurnSummary = {
  turns: number
  failed: number
  /** Half of the turns took no longer, and all but a twentieth. */
  latencyP50Ms?: number
  latencyP95Ms?: number
  /** The mean of those that have one. */
  confidence?: number
  /** Hits among the turns that asked the cache. */
  cacheHitRate?: number
}

export function summarize(turns: readonly AgentTurn[]): TurnSummary {
  const completed = turns.filter((turn) => turn.outcome === 'completed')
  const latencies = completed.map((turn) => turn.latencyMs).sort((a, b) => a - b)
  const confidences = turns.map((turn) => turn.confidence).filter((one) => one !== undefined)
  const asked = turns.filter(({ cacheStatus }) => cacheStatus === 'hit' || cacheStatus === 'miss')
  const sum = (values: number[]) => values.reduce((all, one) => all + one, 0)
  const p50 = quantile(latencies, 0.5)
  const p95 = quantile(latencies, 0.95)
  return {
    turns: turns.length,
    failed: turns.filter((turn) => turn.outcome === 'failed').length,
    ...(p50 === undefined ? {} : { latencyP50Ms: p50 }),
    ...(p95 === undefined ? {} : { latencyP95Ms: p95 }),
    ...(confidences.length === 0 ? {} : { confidence: sum(confidences) / confidences.length }),
    ...(asked.length === 0 ? {} : { cacheHitRate: asked.filter((turn) => turn.cacheStatus === 'hit').length / asked.length }),
  }
}

/** The smallest value that so great a share of them does not exceed; `sorted` is in order. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}
