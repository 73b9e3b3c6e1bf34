import { describe, expect, it } from 'vitest'
import type { DurableEvent } from '@/api/schemas/event'
import { applyAll, emptyView, prepend } from './view'

const ID = '01990000-0000-7000-8000-000000000001'
const AT = '2026-11-27T12:00:00.000Z'
const message = (id: string, role: 'user' | 'assistant', content: string) => ({
  id,
  role,
  content,
  timestamp: AT,
  sessionId: ID,
  ...(role === 'assistant' ? { agent: 'person' } : {}),
})
const metrics = { tokensUsed: 0, cost: 0, latency: 0, cache_status: 'none' as const }

/** Somebody asks, Kim takes over and answers, says one thing more, gives back; then the next question comes. */
const EVENTS: DurableEvent[] = [
  { type: 'message_accepted', turnId: 't1', data: { message: message('q1', 'user', 'Hello?'), clientMessageId: 'c1' } },
  { type: 'handoff', data: { from: 'orchestrator', to: 'person', reason: 'They ask for a person.', by: 'Kim' } },
  { type: 'agent_status', turnId: 't1', data: { agent: 'person', status: 'active' } },
  { type: 'message_completed', turnId: 't1', data: { message: message('a1', 'assistant', 'Hi.'), metrics, citations: [] } },
  { type: 'message_completed', turnId: 'a2', data: { message: message('a2', 'assistant', 'Still there?'), metrics, citations: [] } },
  { type: 'handoff', data: { from: 'person', to: 'orchestrator', reason: 'Kim has given the session back.', by: 'Kim' } },
  { type: 'message_accepted', turnId: 't2', data: { message: message('q2', 'user', 'Yes.'), clientMessageId: 'c2' } },
].map((event, index) => ({ ...event, seq: index + 1, sessionId: ID, at: AT }) as DurableEvent)

describe('a session that changes hands', () => {
  it('keeps who had it, and puts what a person says of their own accord where it was said', () => {
    const view = applyAll(emptyView(ID), EVENTS)
    expect(view.handoffs.map(({ seq, data }) => [seq, data.to, data.by])).toEqual([
      [2, 'person', 'Kim'],
      [6, 'orchestrator', 'Kim'],
    ])
    expect(view.turns.map((turn) => turn.id)).toEqual(['t1', 'a2', 't2'])
    expect(view.turns[0]).toMatchObject({ agent: 'person', answer: { content: 'Hi.' }, outcome: { kind: 'completed' } })
  })

  it.each(EVENTS.map((_, index) => index))('is the same where the first %i events are read later', (cut) => {
    const whole = applyAll(emptyView(ID), EVENTS)
    const late = applyAll({ ...emptyView(ID), firstSeq: cut + 1, lastSeq: cut }, EVENTS.slice(cut))
    const joined = prepend(late, EVENTS.slice(0, cut))
    expect(joined.handoffs).toEqual(whole.handoffs)
    expect(joined.turns.map((turn) => [turn.id, turn.answer?.content])).toEqual(whole.turns.map((turn) => [turn.id, turn.answer?.content]))
  })
})
