import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DurableEvent, ServerEvent, TransientSignal } from '@/api/schemas/event'
import { utf8Length } from '@/lib/utf8'
import { apply, applyAll, emptyView, prepend, runningTurn, type SessionView } from './view'

const SESSION = 'session'
const AT = '2026-01-01T00:00:00.000Z'
const session = { id: SESSION, startTime: AT, lastActivity: AT, totalTokens: 0, totalCost: 0, messageCount: 0 }
const agents = ['orchestrator', 'billing', 'technical'].map((id) => ({
  id,
  name: id,
  status: 'idle' as const,
  model: 'm',
  color: 'cyan' as const,
  tokensUsed: 0,
  cost: 0,
}))

/** One thing that happens, as the server tells it: durable events are numbered, deltas stand between them. */
type Happening = { event: ServerEvent; /** Durable events before it. */ after: number }

type Plan = {
  turns: { text: string; cuts: number[]; steps: number; end: 'completed' | 'failed' | 'cancelled' | 'open'; resets: boolean }[]
}

/** A whole history: turns one after the other, the next one accepted while one runs. */
function history({ turns }: Plan): Happening[] {
  const happenings: Happening[] = []
  let seq = 0
  const durable = (turnId: string, body: unknown) => {
    seq += 1
    happenings.push({ event: { ...(body as object), seq, sessionId: SESSION, turnId, at: AT } as DurableEvent, after: seq - 1 })
  }
  const transient = (turnId: string, body: unknown) =>
    happenings.push({ event: { ...(body as object), sessionId: SESSION, turnId, at: AT } as TransientSignal, after: seq })
  const message = (id: string, role: 'user' | 'assistant', content: string) => ({
    id,
    role,
    content,
    timestamp: AT,
    sessionId: SESSION,
    ...(role === 'assistant' ? { agent: 'technical', confidence: 0.9 } : {}),
  })
  const accept = (index: number) =>
    durable(`turn-${index}`, {
      type: 'message_accepted',
      data: { message: message(`question-${index}`, 'user', `question ${index}`), clientMessageId: `client-${index}` },
    })
  turns.forEach((turn, index) => {
    const id = `turn-${index}`
    if (index === 0) accept(0)
    for (let step = 0; step < turn.steps; step += 1) {
      durable(id, {
        type: 'retrieval_log',
        data: {
          id: `${id}-${step}`,
          type: 'routing',
          title: 'routed',
          timestamp: AT,
          status: 'success',
          sessionId: SESSION,
          messageId: `question-${index}`,
          data: { intent: 'DOMAIN_QUESTION', confidence: 0.9, target_agent: 'technical', reasoning: 'r' },
        },
      })
    }
    durable(id, { type: 'agent_status', data: { agent: 'technical', status: 'active' } })
    // The next question comes while this turn runs.
    if (index + 1 < turns.length) accept(index + 1)
    const stream = () => {
      let offset = 0
      const points = [0, ...turn.cuts.map((cut) => cut % (turn.text.length + 1)), turn.text.length].sort((a, b) => a - b)
      points.slice(1).forEach((point, cut) => {
        const delta = wellCut(turn.text, points[cut] ?? 0, point)
        if (delta === '') return
        transient(id, { type: 'message_delta', data: { messageId: `answer-${index}`, offset, delta } })
        offset += utf8Length(delta)
      })
    }
    stream()
    if (turn.resets) {
      transient(id, { type: 'message_reset', data: { messageId: `answer-${index}`, reason: 'again' } })
      stream()
    }
    if (turn.end === 'open' && index + 1 === turns.length) return
    durable(id, { type: 'agent_status', data: { agent: 'technical', status: 'complete' } })
    switch (turn.end) {
      case 'failed':
        durable(id, { type: 'turn_failed', data: { error: { code: 'TIMEOUT', message: 'late', retryable: true } } })
        break
      case 'cancelled':
        durable(id, { type: 'turn_cancelled', data: { kept: 0, tokensBilled: 0 } })
        break
      default:
        durable(id, {
          type: 'message_completed',
          data: {
            message: message(`answer-${index}`, 'assistant', turn.text),
            metrics: { tokensUsed: 3, cost: 0.5, latency: 8, cache_status: 'none' },
            citations: [],
          },
        })
    }
  })
  return happenings
}

/** A server never cuts a character, whatever it cuts. */
function wellCut(text: string, from: number, to: number): string {
  const isLow = (index: number) => /[\uDC00-\uDFFF]/.test(text.charAt(index))
  return text.slice(isLow(from) ? from - 1 : from, isLow(to) ? to - 1 : to)
}

const text = fc.string({ unit: fc.constantFrom('a', 'ß', '€', '𝔘', '\n', '‮', ' '), maxLength: 40 })
const plan = fc.record({
  turns: fc.array(
    fc.record({
      text,
      cuts: fc.array(fc.nat(60), { maxLength: 6 }),
      steps: fc.nat(3),
      end: fc.constantFrom('completed' as const, 'failed' as const, 'cancelled' as const, 'open' as const),
      resets: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  ),
})

function ready(happenings: Happening[], upTo: number, recovered = true): TransientSignal {
  const seen = happenings.slice(0, upTo)
  const lastSeq = seen.reduce((last, { event }) => ('seq' in event ? event.seq : last), 0)
  const before = applyAll(begun(), seen.map(({ event }) => event))
  const turn = runningTurn(before)
  return {
    type: 'session_ready',
    sessionId: SESSION,
    at: AT,
    data: {
      session: before.session ?? session,
      agents: [...before.agents],
      epoch: 'epoch',
      lastSeq,
      recovered,
      ...(turn
        ? {
            turn: {
              id: turn.id,
              state: turn.phase,
              ...(turn.agent === undefined ? {} : { agent: turn.agent }),
              ...(turn.answer ? { messageId: turn.answer.messageId, content: turn.answer.content } : { content: '' }),
            },
          }
        : {}),
    },
  }
}

const begun = (): SessionView =>
  apply(emptyView(SESSION), {
    type: 'session_ready',
    sessionId: SESSION,
    at: AT,
    data: { session, agents, epoch: 'epoch', lastSeq: 0, recovered: true },
  })

const eventsOf = (happenings: Happening[]) => happenings.map(({ event }) => event)
const durableOf = (happenings: Happening[]) => eventsOf(happenings).filter((event): event is DurableEvent => 'seq' in event)
/** When words were first seen, and when the totals were told, differ by who was connected when; nothing else may. */
const comparable = (view: SessionView) => ({
  ...view,
  toldAt: 0,
  turns: view.turns.map((turn) => ({ ...turn, firstDeltaAt: undefined, resetReason: undefined })),
})

describe('a view', () => {
  it('is the same however the events are split into batches', () => {
    fc.assert(
      fc.property(plan, fc.array(fc.nat(100)), (made, cuts) => {
        const events = eventsOf(history(made))
        const points = [0, ...cuts.map((cut) => cut % (events.length + 1)), events.length].sort((a, b) => a - b)
        const inBatches = points.slice(1).reduce((view, point, index) => applyAll(view, events.slice(points[index], point)), begun())
        expect(inBatches).toEqual(applyAll(begun(), events))
      }),
    )
  })

  it('counts what a reconnect repeats once', () => {
    fc.assert(
      fc.property(plan, fc.nat(100), fc.nat(100), (made, one, other) => {
        const events = eventsOf(history(made))
        const [from, to] = [one % (events.length + 1), other % (events.length + 1)].sort((a, b) => a - b) as [number, number]
        const repeated = [...events.slice(0, to), ...events.slice(from, to).filter((event) => 'seq' in event || event.type === 'message_delta' && !made.turns.some((turn) => turn.resets)), ...events.slice(to)]
        expect(applyAll(begun(), repeated)).toEqual(applyAll(begun(), events))
      }),
    )
  })

  it('is whole after a reconnect at any place, whatever transient was missed', () => {
    fc.assert(
      fc.property(plan, fc.nat(200), fc.nat(200), (made, one, other) => {
        const happenings = history(made)
        const [lost, back] = [one % (happenings.length + 1), other % (happenings.length + 1)].sort((a, b) => a - b) as [number, number]
        const before = applyAll(begun(), eventsOf(happenings.slice(0, lost)))
        const missed = durableOf(happenings.slice(0, back)).filter((event) => event.seq > before.lastSeq)
        const after = applyAll(before, [ready(happenings, back), ...missed, ...eventsOf(happenings.slice(back))])
        expect(comparable(after)).toEqual(comparable(applyAll(begun(), eventsOf(happenings))))
      }),
    )
  })

  it('is the same when its past is read later, page by page', () => {
    fc.assert(
      fc.property(plan, fc.nat(200), fc.nat(8), (made, at, size) => {
        const happenings = history(made)
        const joinAt = at % (happenings.length + 1)
        let view = apply(emptyView(SESSION), ready(happenings, joinAt))
        const past = durableOf(happenings.slice(0, joinAt))
        view = applyAll(view, eventsOf(happenings.slice(joinAt)))
        while (view.firstSeq > 1) {
          const from = Math.max(0, view.firstSeq - 2 - size)
          const page = past.slice(from, view.firstSeq - 1)
          view = prepend(view, page)
        }
        expect(comparable(view)).toEqual(comparable(applyAll(begun(), eventsOf(happenings))))
      }),
    )
  })

  it('drops all that it had where the server cannot recover it', () => {
    const happenings = history({ turns: [{ text: 'one', cuts: [], steps: 1, end: 'completed', resets: false }] })
    const view = apply(applyAll(begun(), eventsOf(happenings)), {
      ...ready([], 0, false),
      data: { session, agents, epoch: 'another', lastSeq: 0, recovered: false },
    } as TransientSignal)
    expect(view.turns).toEqual([])
    expect(view).toMatchObject({ firstSeq: 1, lastSeq: 0, epoch: 'another' })
  })

  it('notices a gap in an answer, and shows nothing wrong after it', () => {
    const accepted = history({ turns: [{ text: '', cuts: [], steps: 0, end: 'open', resets: false }] })
    const delta = (offset: number, text: string): TransientSignal => ({
      type: 'message_delta',
      sessionId: SESSION,
      turnId: 'turn-0',
      at: AT,
      data: { messageId: 'answer-0', offset, delta: text },
    })
    const view = applyAll(begun(), [...eventsOf(accepted), delta(0, 'Hä'), delta(9, 'late'), delta(3, 'not joined')])
    expect(view.turns[0]?.answer).toMatchObject({ content: 'Hä', hasGap: true })
  })
})
