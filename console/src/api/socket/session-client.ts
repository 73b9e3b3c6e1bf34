import { asApiError } from '@/api/error'
import { link as shownLink, type Link } from '@/api/link'
import type { ClientCommand, Decision } from '@/api/generated/wire'
import type { ParsedFrame, ServerEvent } from '@/api/schemas/event'
import { readEventsBefore, readMessages, readSession } from '@/api/session-history'
import { access, refuseToken } from '@/api/token'
import { createStore, type Store } from '@/lib/store'
import { backoffMs } from './backoff'
import { openEvents } from './events-transport'
import { readOutbox, writeOutbox, type Outgoing } from './outbox'
import { openSocket } from './socket-transport'
import type { Ended, Transport } from './transport'
import { uuidV7 } from './uuid'
import { applyAll, emptyView, fillKept, needsKept, prepend, type SessionView } from './view'

export type SessionState = {
  view: SessionView
  link: Link
  outbox: readonly Outgoing[]
  history: { kind: 'unread' | 'loading' | 'idle' } | { kind: 'failed'; message: string }
  /** There is no such session, or no more. */
  isGone: boolean
  /** The turn that was asked to stop, until it has. */
  cancelling: string | undefined
  /** What the server said that could not be understood, the latest. */
  problem: string | undefined
}

/** After so many sockets that never opened, while the server answers requests, events are streamed instead. */
const SOCKETS_BEFORE_EVENTS = 2
/** How often a socket is tried again meanwhile. */
const SOCKET_AGAIN_MS = 30_000
/** Where nobody looks, views are folded at this pace. */
const HIDDEN_FLUSH_MS = 250

/** What is said with a decision: why, and what the tool is to get in place of what the agent wanted. */
export type Verdict = { reason?: string; arguments?: Record<string, unknown> }

/**
 * One session as this tab follows it: a connection that comes back by itself, the fold over what it says, and the messages
 * that wait to be accepted. Everything is in `state`; React only reads it.
 */
export class SessionClient {
  readonly state: Store<SessionState>
  private transport: Transport | undefined
  private isRunning = false
  private attempt = 0
  private failedSockets = 0
  private isDraining = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private socketTimer: ReturnType<typeof setTimeout> | undefined
  private buffer: ServerEvent[] = []
  private flushes: { cancel: () => void } | undefined
  private stop = new AbortController()

  constructor(
    readonly sessionId: string,
    /** It has never been sent to the server: it need not be there yet. */
    private isNew: boolean,
  ) {
    const outbox = readOutbox(sessionId)
    this.isNew ||= outbox.length > 0
    this.state = createStore<SessionState>({
      view: emptyView(sessionId),
      link: { kind: 'connecting', attempt: 0 },
      outbox,
      history: { kind: 'unread' },
      isGone: false,
      cancelling: undefined,
      problem: undefined,
    })
  }

  start(): void {
    if (this.isRunning) return
    this.isRunning = true
    this.stop = new AbortController()
    const { signal } = this.stop
    window.addEventListener('online', () => this.wake(), { signal })
    window.addEventListener('pageshow', () => this.wake(), { signal })
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.wake(), { signal })
    window.addEventListener('offline', () => this.transport?.probe(), { signal })
    signal.addEventListener('abort', access.subscribe(() => this.onAccess()))
    void this.connect()
  }

  end(): void {
    this.isRunning = false
    this.stop.abort()
    clearTimeout(this.timer)
    clearTimeout(this.socketTimer)
    this.flush()
    this.transport?.close()
    this.transport = undefined
    shownLink.set({ kind: 'none' })
  }

  /** Shows the message at once, and sends it as soon as it can be: once, whatever happens on the way. */
  send(content: string, fresh = false): void {
    const one: Outgoing = {
      clientMessageId: uuidV7(),
      content,
      at: new Date().toISOString(),
      state: 'waiting',
      ...(fresh ? { fresh } : {}),
    }
    this.setOutbox((outbox) => [...outbox, one])
    this.sendWaiting()
  }

  retry(clientMessageId: string): void {
    this.setOutbox((outbox) =>
      outbox.map((one) => {
        if (one.clientMessageId !== clientMessageId) return one
        const { error: _, ...rest } = one
        return { ...rest, state: 'waiting' as const }
      }),
    )
    this.sendWaiting()
  }

  discard(clientMessageId: string): void {
    this.setOutbox((outbox) => outbox.filter((one) => one.clientMessageId !== clientMessageId))
  }

  cancel(turnId: string): void {
    this.set({ cancelling: turnId })
    this.transport?.send({ type: 'cancel', data: { turnId } })
  }

  resolveApproval(approvalId: string, decision: Decision, verdict: Verdict = {}): void {
    this.transport?.send({ type: 'resolve_approval', data: { approvalId, decision, ...verdict } })
  }

  /** Tries again now what waits for its time. */
  reconnect(): void {
    if (this.transport || !this.isRunning) return
    clearTimeout(this.timer)
    void this.connect()
  }

  /** Reads one more page of the past. */
  async loadOlder(): Promise<void> {
    const { view, history } = this.state.get()
    if (history.kind === 'loading' || view.firstSeq <= 1 || view.epoch === undefined) return
    this.set({ history: { kind: 'loading' } })
    const { signal } = this.stop
    try {
      const events = await readEventsBefore(this.sessionId, view.firstSeq, view.firstSeq > view.lastSeq, signal)
      this.flush()
      const now = this.state.get().view
      // A restored journal began anew meanwhile: these events are of another past.
      if (now.firstSeq !== view.firstSeq || now.epoch !== view.epoch) { this.set({ history: { kind: 'idle' } }); return; }
      let next = prepend(now, events)
      if (events.length === 0) next = { ...next, firstSeq: 1 }
      this.set({ view: next, history: { kind: 'idle' } })
      await this.readKept(signal)
    } catch (cause) {
      if (!signal.aborted) this.set({ history: { kind: 'failed', message: asApiError(cause).message } })
    }
  }

  /** The journal says that a stopped answer was kept, the transcript says what it was. */
  private async readKept(signal: AbortSignal): Promise<void> {
    let before: string | undefined
    for (let page = 0; page < 10 && needsKept(this.state.get().view); page += 1) {
      const messages = await readMessages(this.sessionId, 200, before, signal)
      before = messages[0]?.id
      if (before === undefined) return
      this.set({ view: fillKept(this.state.get().view, messages) })
    }
  }

  private async connect(): Promise<void> {
    const { signal } = this.stop
    this.set({ link: this.isDraining ? this.state.get().link : { kind: 'connecting', attempt: this.attempt } })
    // Following an unknown session would begin it: one that was erased must not come back as an empty one.
    if (!this.isNew) {
      try {
        await readSession(this.sessionId, signal)
      } catch (cause) {
        const error = asApiError(cause)
        if (signal.aborted) return
        if (error.code === 'NOT_FOUND' || error.code === 'VALIDATION_ERROR') {
          this.set({ isGone: true, link: { kind: 'none' } }); return;
        }
        if (error.code === 'UNAUTHENTICATED') { this.set({ link: { kind: 'refused', closeCode: 4001 } }); return; }
        if (error.code === 'FORBIDDEN') { this.set({ link: { kind: 'refused', closeCode: 4003 } }); return; }
        this.wait(error.more.retryAfterMs); return;
      }
    }
    if (signal.aborted || this.transport) return
    const asEvents = this.failedSockets >= SOCKETS_BEFORE_EVENTS && !this.isNew
    this.open(asEvents ? 'events' : 'socket')
    if (asEvents) this.socketTimer = setTimeout(() => this.trySocket(), SOCKET_AGAIN_MS)
  }

  private open(by: 'socket' | 'events'): void {
    this.flush()
    const { view } = this.state.get()
    const isFirst = view.epoch === undefined
    const open = by === 'socket' ? openSocket : openEvents
    const transport: Transport = open(
      { sessionId: this.sessionId, afterSeq: isFirst ? undefined : view.lastSeq, epoch: view.epoch },
      {
        onOpen: () => {
          if (by === 'socket') this.failedSockets = 0
          if (!isFirst) this.set({ link: { kind: 'catching-up', afterSeq: view.lastSeq } })
        },
        onFrame: (frame) => this.transport === transport && this.onFrame(frame, by),
        onEnd: (ended) => this.transport === transport && this.onEnd(ended, by),
      },
    )
    this.transport = transport
  }

  /** While events stand in: a socket is better where it can be had again. */
  private trySocket(): void {
    if (!this.isRunning || !this.transport) return
    this.transport.close()
    this.transport = undefined
    this.failedSockets = SOCKETS_BEFORE_EVENTS - 1
    void this.connect()
  }

  private onFrame(frame: ParsedFrame, by: 'socket' | 'events'): void {
    if (frame.kind === 'unknown') return
    if (frame.kind === 'invalid') return this.set({ problem: frame.problem })
    const { event } = frame
    switch (event.type) {
      case 'session_ready':
        this.isNew = false
        this.isDraining = false
        this.attempt = 0
        this.buffer.push(event)
        this.flush()
        this.set({ link: { kind: 'live', by } })
        this.sendWaiting('sent')
        if (this.state.get().history.kind === 'unread' || !event.data.recovered) void this.loadOlder()
        return
      case 'message_accepted':
        this.discard(event.data.clientMessageId)
        break
      case 'error':
        this.onRefused(event.data)
        return
      case 'server_draining':
        this.isDraining = true
        this.set({ link: { kind: 'draining', retryAt: Date.now() + event.data.reconnectAfterMs } })
        return
      case 'turn_cancelled':
      case 'message_completed':
      case 'turn_failed':
        if (this.state.get().cancelling === event.turnId) this.set({ cancelling: undefined })
        break
      case 'pong':
      case 'lagging':
        return
      default:
    }
    this.buffer.push(event)
    this.flushSoon()
  }

  private onRefused({ code, message, retryable, clientMessageId }: Extract<ServerEvent, { type: 'error' }>['data']): void {
    if (clientMessageId === undefined) return this.set({ problem: message, cancelling: undefined })
    this.setOutbox((outbox) =>
      outbox.map((one) =>
        one.clientMessageId === clientMessageId ? { ...one, state: 'failed', error: { code, message, retryable } } : one,
      ),
    )
  }

  private onEnd({ code, wasOpen }: Ended, by: 'socket' | 'events'): void {
    this.transport = undefined
    clearTimeout(this.socketTimer)
    this.flush()
    if (!this.isRunning) return
    if (by === 'socket' && !wasOpen) this.failedSockets += 1
    this.set({ cancelling: undefined })
    if (code === 4001 || code === 4003) {
      if (code === 4001) refuseToken(access.get().token)
      return this.set({ link: { kind: 'refused', closeCode: code } })
    }
    this.wait(code === 4029 ? 5_000 : undefined)
  }

  private wait(atLeastMs = 0): void {
    if (!this.isRunning) return
    this.attempt += 1
    const { link } = this.state.get()
    const drained = link.kind === 'draining' ? link.retryAt - Date.now() : 0
    const delay = Math.max(atLeastMs, drained, backoffMs(this.attempt, Math.random()))
    const retryAt = Date.now() + delay
    this.set({
      link: this.isDraining ? { kind: 'draining', retryAt } : { kind: 'waiting', attempt: this.attempt, retryAt },
    })
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.connect(), delay)
  }

  /** Something may have changed while we slept: who was connected is asked, who waited tries at once. */
  private wake(): void {
    if (this.transport) return this.transport.probe()
    if (this.state.get().link.kind === 'waiting') this.reconnect()
  }

  private onAccess(): void {
    if (this.state.get().link.kind === 'refused' && access.get().token) this.reconnect()
  }

  /** `sent` ones again too, after a reconnect: the server knows by the id what it has. */
  private sendWaiting(also?: 'sent'): void {
    if (!this.transport || this.state.get().link.kind !== 'live') return
    const due = this.state.get().outbox.filter((one) => one.state === 'waiting' || one.state === also)
    if (due.length === 0) return
    for (const { clientMessageId, content, fresh } of due) {
      const command: ClientCommand = {
        type: 'send_message',
        data: { clientMessageId, content, ...(fresh === true ? { fresh } : {}) },
      }
      this.transport.send(command)
    }
    this.setOutbox((outbox) => outbox.map((one) => (due.includes(one) ? { ...one, state: 'sent' } : one)))
  }

  private flushSoon(): void {
    if (this.flushes) return
    // One fold and one render for each frame, however many deltas came since.
    if (document.visibilityState === 'visible') {
      const id = requestAnimationFrame(() => this.flush())
      this.flushes = { cancel: () => cancelAnimationFrame(id) }
    } else {
      const id = setTimeout(() => this.flush(), HIDDEN_FLUSH_MS)
      this.flushes = { cancel: () => clearTimeout(id) }
    }
  }

  private flush(): void {
    this.flushes?.cancel()
    this.flushes = undefined
    if (this.buffer.length === 0) return
    const events = this.buffer
    this.buffer = []
    const view = applyAll(this.state.get().view, events)
    this.set({ view })
    if (events.some((event) => event.type === 'turn_cancelled') && needsKept(view)) void this.readKept(this.stop.signal).catch(() => undefined)
  }

  private setOutbox(change: (outbox: readonly Outgoing[]) => readonly Outgoing[]): void {
    const outbox = change(this.state.get().outbox)
    this.set({ outbox })
    writeOutbox(this.sessionId, outbox)
  }

  private set(change: Partial<SessionState>): void {
    this.state.set((now) => ({ ...now, ...change }))
    if (change.link && this.isRunning) shownLink.set(change.link)
  }
}
