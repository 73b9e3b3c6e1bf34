import type { Agent, ChatMetrics, ChatSession, Citation, Failure, Message, RetrievalLog } from '@/api/generated/wire'
import type { DurableEvent, ServerEvent } from '@/api/schemas/event'
import { dropUtf8, utf8Length } from '@/lib/utf8'

/** What happened in a turn beside its steps, in order of `seq`. */
export type TurnNote = Extract<
  DurableEvent,
  { type: 'agent_status' | 'handoff' | 'tool_call' | 'approval_requested' | 'approval_resolved' }
>

/** The session as a whole changed hands: a person has taken it over, or given it back. */
export type SessionHandoff = Extract<DurableEvent, { type: 'handoff' }>

export type Step = { seq: number; log: RetrievalLog }

export type TurnOutcome =
  | {
      kind: 'completed'
      at: string
      metrics: ChatMetrics
      citations: readonly Citation[]
      /** The calls of the client's own tools with which the turn ended in place of an answer. */
      calls?: readonly { callId: string; tool: string; arguments?: unknown }[]
      /** Why the answer is not whole, where it is not. */
      incomplete?: 'max_tokens' | 'refused'
    }
  | { kind: 'failed'; at: string; error: Failure }
  | { kind: 'cancelled'; at: string; kept: number; upstreamClosedMs?: number; tokensBilled: number }

/** The answer: as far as it was streamed, or as the transcript keeps it. */
export type Answer = {
  messageId: string
  content: string
  /** Length of `content` in UTF-8 bytes: where the next delta begins. */
  bytes: number
  /** Some of it was missed; it is whole again with the next `session_ready` or at the end. */
  hasGap?: boolean
  message?: Message
}

export type Turn = {
  id: string
  /** Of its `message_accepted`; missing while that event has not been read. */
  seq?: number
  question?: Message
  clientMessageId?: string
  acceptedAt?: string
  isFresh?: boolean
  phase: 'accepted' | 'routing' | 'running' | 'awaiting_approval'
  /** Who answers now. */
  agent?: string
  steps: readonly Step[]
  notes: readonly TurnNote[]
  answer?: Answer
  /** When its first words were seen here; unknown for a turn that was read from the journal. */
  firstDeltaAt?: string
  resetReason?: string
  outcome?: TurnOutcome
}

/**
 * What is known of a session: a fold over its events from `firstSeq` to `lastSeq`, and over the signals of its connection.
 * Durable events count once, whatever a reconnect repeats.
 */
export type SessionView = {
  sessionId: string
  epoch?: string
  /** The first durable event in it; older ones are loaded on demand. */
  firstSeq: number
  /** The last durable event in it. */
  lastSeq: number
  session?: ChatSession
  agents: readonly Agent[]
  /** `lastSeq` of the server when it told `session` and `agents`: what came later is added to them. */
  toldAt: number
  /** In order of acceptance. */
  turns: readonly Turn[]
  /** In order of `seq`. */
  handoffs: readonly SessionHandoff[]
}

export function emptyView(sessionId: string): SessionView {
  return { sessionId, firstSeq: 1, lastSeq: 0, agents: [], toldAt: 0, turns: [], handoffs: [] }
}

/** Pure: no socket, no clock, no React. */
export function apply(view: SessionView, event: ServerEvent): SessionView {
  return applyAll(view, [event])
}

/** The same for many at once, at the price of one copy. */
export function applyAll(view: SessionView, events: readonly ServerEvent[]): SessionView {
  const draft = new Draft(view)
  for (const event of events) draft.take(event)
  return draft.view
}

/** Puts older events, which end right before `view` begins, in front of it. */
export function prepend(view: SessionView, older: readonly DurableEvent[]): SessionView {
  const first = older[0]
  if (!first) return view
  const known = older.filter((event) => event.seq < view.firstSeq)
  const before = applyAll({ ...emptyView(view.sessionId), firstSeq: first.seq, lastSeq: first.seq - 1 }, known)
  const turns = [...before.turns]
  const places = new Map(turns.map((turn, index) => [turn.id, index]))
  const rest: Turn[] = []
  for (const turn of view.turns) {
    const index = places.get(turn.id)
    const half = index === undefined ? undefined : turns[index]
    if (half && index !== undefined) turns[index] = joined(half, turn)
    else rest.push(turn)
  }
  return {
    ...view,
    firstSeq: first.seq,
    turns: [...turns, ...rest].sort(byAcceptance),
    handoffs: before.handoffs.length > 0 ? [...before.handoffs, ...view.handoffs] : view.handoffs,
  }
}

export function isUnderWay(turn: Turn): boolean {
  return turn.outcome === undefined
}

/** The turn that runs, not one that waits behind it. */
export function runningTurn(view: SessionView): Turn | undefined {
  return view.turns.find(isUnderWay)
}

/** One turn from its first and its second half. */
function joined(older: Turn, newer: Turn): Turn {
  return {
    ...older,
    ...newer,
    phase: newer.phase === 'accepted' ? older.phase : newer.phase,
    steps: [...older.steps, ...newer.steps],
    notes: [...older.notes, ...newer.notes],
  }
}

function byAcceptance(one: Turn, other: Turn): number {
  return (one.seq ?? Infinity) - (other.seq ?? Infinity) || 0
}

/** A view that is being changed; what it shares with the one before is copied at the first change. */
class Draft {
  view: SessionView
  private turns: Turn[] | undefined

  constructor(before: SessionView) {
    this.view = before
  }

  take(event: ServerEvent): void {
    if ('seq' in event) {
      if (event.seq <= this.view.lastSeq) return
      this.view = { ...this.view, lastSeq: event.seq }
      this.takeDurable(event)
      return
    }
    switch (event.type) {
      case 'session_ready': {
        const { session, agents, epoch, lastSeq, recovered, turn } = event.data
        const isStart = this.view.epoch === undefined && this.view.lastSeq === 0
        if (isStart || !recovered) {
          // What is before this moment is read from the journal, page by page, from the end.
          this.view = { ...emptyView(this.view.sessionId), firstSeq: lastSeq + 1, lastSeq }
          this.turns = undefined
        }
        this.view = { ...this.view, session, agents, epoch, toldAt: lastSeq }
        // An answer that is not under way any more, or begins anew, is not what was seen of it before.
        for (const other of this.view.turns) {
          if (isUnderWay(other) && other.answer && other.id !== turn?.id) this.change(other.id, withoutAnswer)
        }
        if (turn) {
          this.change(turn.id, (known) => ({
            ...withoutAnswer(known),
            phase: turn.state,
            ...(turn.agent === undefined ? {} : { agent: turn.agent }),
            ...(turn.messageId === undefined
              ? {}
              : { answer: { messageId: turn.messageId, content: turn.content, bytes: utf8Length(turn.content) } }),
          }))
        }
        return
      }
      case 'message_delta': {
        const { messageId, offset, delta } = event.data
        if (event.turnId === undefined) return
        this.change(event.turnId, (turn) => {
          if (turn.outcome) return turn
          const answer = appended(turn.answer, messageId, offset, delta)
          return { ...turn, answer, phase: 'running', firstDeltaAt: turn.firstDeltaAt ?? event.at }
        })
        return
      }
      case 'message_reset':
        if (event.turnId === undefined) return
        this.change(event.turnId, (turn) =>
          turn.outcome ? turn : { ...withoutAnswer(turn), resetReason: event.data.reason },
        )
        return
      case 'pong':
      case 'lagging':
      case 'server_draining':
      case 'error':
        return
      default:
        event satisfies never
    }
  }

  private takeDurable(event: DurableEvent): void {
    switch (event.type) {
      case 'message_accepted': {
        const { message, clientMessageId, fresh } = event.data
        this.change(event.turnId ?? message.id, (turn) => ({
          ...turn,
          seq: event.seq,
          question: message,
          clientMessageId,
          acceptedAt: event.at,
          ...(fresh === true ? { isFresh: true } : {}),
        }))
        this.total({ messageCount: 1 }, event.seq)
        return
      }
      case 'retrieval_log':
        this.changeOf(event, (turn) => ({
          ...turn,
          phase: turn.phase === 'accepted' ? 'routing' : turn.phase,
          steps: [...turn.steps, { seq: event.seq, log: event.data }],
        }))
        return
      case 'agent_status': {
        const { agent, status } = event.data
        this.changeOf(event, (turn) => ({
          ...turn,
          notes: [...turn.notes, event],
          ...(status === 'active' ? { agent, phase: 'running' } : {}),
        }))
        this.agent(agent, (known) => ({ ...known, status }))
        return
      }
      case 'handoff':
        if (event.turnId === undefined) this.view = { ...this.view, handoffs: [...this.view.handoffs, event] }
        this.changeOf(event, (turn) => ({ ...turn, notes: [...turn.notes, event], agent: event.data.to }))
        return
      case 'tool_call':
        this.changeOf(event, (turn) => ({ ...turn, notes: [...turn.notes, event] }))
        return
      case 'approval_requested':
        this.changeOf(event, (turn) => ({ ...turn, notes: [...turn.notes, event], phase: 'awaiting_approval' }))
        return
      case 'approval_resolved':
        this.changeOf(event, (turn) => {
          const notes = [...turn.notes, event]
          return { ...turn, notes, phase: awaitsDecision(notes) ? 'awaiting_approval' : 'running' }
        })
        return
      case 'message_completed': {
        const { message, metrics, citations, calls, incomplete } = event.data
        this.changeOf(event, (turn) => ({
          ...turn,
          // What a person says of their own accord is a turn that begins and ends with it.
          ...(turn.id === message.id ? { seq: event.seq } : {}),
          ...(message.agent === undefined ? {} : { agent: message.agent }),
          answer: { messageId: message.id, content: message.content, bytes: utf8Length(message.content), message },
          outcome: {
            kind: 'completed',
            at: event.at,
            metrics,
            citations,
            ...(calls && { calls }),
            ...(incomplete && { incomplete }),
          },
        }))
        this.total({ messageCount: 1, totalTokens: metrics.tokensUsed, totalCost: metrics.cost }, event.seq)
        if (message.agent !== undefined && event.seq > this.view.toldAt) {
          this.agent(message.agent, (agent) => ({
            ...agent,
            tokensUsed: agent.tokensUsed + metrics.tokensUsed,
            cost: agent.cost + metrics.cost,
            cached: metrics.cache_status === 'hit',
          }))
        }
        return
      }
      case 'turn_failed':
        this.changeOf(event, (turn) => ({
          ...withoutAnswer(turn),
          outcome: { kind: 'failed', at: event.at, error: event.data.error },
        }))
        return
      case 'turn_cancelled': {
        const { messageId, ...receipt } = event.data
        this.changeOf(event, (turn) => ({
          ...(messageId === undefined ? withoutAnswer(turn) : keptAnswer(turn, messageId, receipt.kept)),
          outcome: { kind: 'cancelled', at: event.at, ...receipt },
        }))
        return
      }
      default:
        event satisfies never
    }
  }

  private changeOf(event: DurableEvent, change: (turn: Turn) => Turn): void {
    if (event.turnId !== undefined) this.change(event.turnId, change)
  }

  /** Changes a turn, or begins it. Nearly every event is about one of the last few. */
  private change(id: string, change: (turn: Turn) => Turn): void {
    if (!this.turns) {
      this.turns = [...this.view.turns]
      this.view = { ...this.view, turns: this.turns }
    }
    const { turns } = this
    const index = turns.findLastIndex((turn) => turn.id === id)
    const known = turns[index]
    const changed = change(known ?? { id, phase: 'accepted', steps: [], notes: [] })
    if (known && known.seq === changed.seq) {
      turns[index] = changed
      return
    }
    if (known) turns.splice(index, 1)
    const after = turns.findLastIndex((turn) => byAcceptance(turn, changed) <= 0)
    turns.splice(after + 1, 0, changed)
  }

  private agent(id: string, change: (agent: Agent) => Agent): void {
    if (!this.view.agents.some((agent) => agent.id === id)) return
    this.view = { ...this.view, agents: this.view.agents.map((agent) => (agent.id === id ? change(agent) : agent)) }
  }

  private total(more: Partial<Pick<ChatSession, 'messageCount' | 'totalTokens' | 'totalCost'>>, seq: number): void {
    const { session, toldAt } = this.view
    if (!session || seq <= toldAt) return
    this.view = {
      ...this.view,
      session: {
        ...session,
        messageCount: session.messageCount + (more.messageCount ?? 0),
        totalTokens: session.totalTokens + (more.totalTokens ?? 0),
        totalCost: session.totalCost + (more.totalCost ?? 0),
      },
    }
  }
}

/** `offset` counts UTF-8 bytes: what is already here is dropped, and what is missing is noticed. */
function appended(answer: Answer | undefined, messageId: string, offset: number, delta: string): Answer {
  const known = answer?.messageId === messageId ? answer : { messageId, content: '', bytes: 0 }
  if (known.hasGap === true) return known
  if (offset > known.bytes) return { ...known, hasGap: true }
  const news = offset === known.bytes ? delta : dropUtf8(delta, known.bytes - offset)
  if (news === undefined || news === '') return known
  return { ...known, content: known.content + news, bytes: known.bytes + utf8Length(news) }
}

function withoutAnswer(turn: Turn): Turn {
  const { answer, ...rest } = turn
  return answer ? rest : turn
}

/** What was kept of an answer that was stopped: here as far as it was seen; the transcript has it whole. */
function keptAnswer(turn: Turn, messageId: string, kept: number): Turn {
  const seen = turn.answer?.messageId === messageId ? turn.answer : { messageId, content: '', bytes: 0 }
  if (seen.bytes < kept) return { ...turn, answer: { ...seen, hasGap: true } }
  if (seen.bytes === kept) return { ...turn, answer: seen }
  const bytes = new TextEncoder().encode(seen.content).slice(0, kept)
  return { ...turn, answer: { messageId, content: new TextDecoder().decode(bytes), bytes: kept } }
}

/** Whether a stopped answer's text is missing, which the journal does not hold. */
export function needsKept(view: SessionView): boolean {
  return view.turns.some((turn) => turn.outcome?.kind === 'cancelled' && turn.answer?.hasGap === true)
}

/** Fills in what was kept of stopped answers, as the transcript has it. */
export function fillKept(view: SessionView, messages: readonly Message[]): SessionView {
  const kept = new Map(messages.map((message) => [message.id, message]))
  return {
    ...view,
    turns: view.turns.map((turn) => {
      const message = turn.answer?.hasGap === true ? kept.get(turn.answer.messageId) : undefined
      if (!message || turn.outcome?.kind !== 'cancelled') return turn
      const { id: messageId, content } = message
      return { ...turn, answer: { messageId, content, bytes: utf8Length(content), message } }
    }),
  }
}

/** Whether something was asked for that nobody has decided yet. Of several that were asked for at once each is decided by itself. */
function awaitsDecision(notes: readonly TurnNote[]): boolean {
  const decided = new Set(notes.map((note) => (note.type === 'approval_resolved' ? note.data.approvalId : undefined)))
  return notes.some((note) => note.type === 'approval_requested' && !decided.has(note.data.approvalId))
}
