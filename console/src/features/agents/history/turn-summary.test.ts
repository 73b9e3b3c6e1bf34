import { describe, expect, it } from 'vitest'
import type { AgentTurn } from '@/api/schemas/agents'
import { summarize } from './turn-summary'

const turn = (more: Partial<AgentTurn>): AgentTurn => ({
  turnId: 't',
  sessionId: 's',
  question: 'Why?',
  outcome: 'completed',
  latencyMs: 10,
  tokensUsed: 5,
  cost: 0.5,
  cacheStatus: 'none',
  startedAt: '2026-01-01T00:00:00.000Z',
  ...more,
})

describe('the summary of turns', () => {
  it('says nothing of what no turn tells', () => {
    expect(summarize([])).toEqual({ turns: 0, failed: 0 })
  })

  it('takes latency from answers, confidence from those that have one, and hits among look-ups', () => {
    const turns = [
      ...Array.from({ length: 19 }, (_, at) => turn({ latencyMs: at + 1 })),
      turn({ latencyMs: 1_000, confidence: 0.5, cacheStatus: 'hit' }),
      turn({ outcome: 'failed', latencyMs: 30_000, cacheStatus: 'miss' }),
      turn({ outcome: 'cancelled', latencyMs: 2, confidence: 0.9, cacheStatus: 'miss' }),
    ]
    const summary = summarize(turns)
    expect(summary).toMatchObject({ turns: 22, failed: 1, latencyP50Ms: 10, latencyP95Ms: 19 })
    expect(summary.confidence).toBeCloseTo(0.7)
    expect(summary.cacheHitRate).toBeCloseTo(1 / 3)
  })
})
