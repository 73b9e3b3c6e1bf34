import * as z from 'zod/mini'
import { ApiError, asApiError } from '@/api/error'
import { send } from '@/api/http'
import {
  LIVE_SESSIONS_MAX,
  LiveChanges,
  LiveSessions,
  readLive,
  withChanges,
  type LiveSession,
} from '@/api/live'
import { backoffMs } from '@/api/socket/backoff'
import { EventStreamParser } from '@/api/socket/event-stream'
import { access } from '@/api/token'
import { createStore } from '@/lib/store'

export type LiveFeedState = {
  /** What was heard last; `undefined` before the first word. */
  live: LiveSessions | undefined
  /** How it is kept up to date just now: told, asked for, or not at all. */
  by: 'stream' | 'polling' | undefined
  /** Why nothing new is heard. */
  error: ApiError | undefined
}

/** The server says that it lives every 15 seconds. */
const SILENCE_MS = 40_000
/** A stream that opens says all it knows within a second; what holds it back longer (a proxy that gathers) is of no use. */
const FIRST_WORD_MS = 8_000
const STREAMS_BEFORE_POLLING = 2
const POLL_MS = 3_000
const STREAM_AGAIN_MS = 30_000

/**
 * The sessions in progress, as the server tells them: as a stream, or, where none can be had, asked for again and again while a
 * stream is still tried. It runs as long as somebody looks.
 */
export class LiveFeed {
  readonly state = createStore<LiveFeedState>({ live: undefined, by: undefined, error: undefined })
  private watchers = 0
  private stop: AbortController | undefined
  private failedStreams = 0
  private attempt = 0
  private nextStreamAt = 0

  /** Follows until what it gives back is called. */
  watch(): () => void {
    this.watchers += 1
    if (this.watchers === 1) {
      document.addEventListener('visibilitychange', this.onVisible)
      this.onVisible()
    }
    const unsubscribe = access.subscribe(() => {
      if (access.get().token !== undefined) this.restart()
    })
    return () => {
      unsubscribe()
      this.watchers -= 1
      if (this.watchers > 0) return
      document.removeEventListener('visibilitychange', this.onVisible)
      this.pause()
    }
  }

  /** What is known already of one session, before the server has told everybody. */
  patch(sessionId: string, change: (session: LiveSession) => LiveSession): void {
    const { live } = this.state.get()
    if (!live) return
    const sessions = live.sessions.map((one) => (one.session.id === sessionId ? change(one) : one))
    this.set({ live: { ...live, sessions } })
  }

  restart(): void {
    this.pause()
    this.attempt = 0
    this.failedStreams = 0
    this.nextStreamAt = 0
    this.onVisible()
  }

  private readonly onVisible = () => {
    if (this.watchers === 0 || document.visibilityState === 'hidden') {
      this.pause()
    } else if (!this.stop) {
      this.stop = new AbortController()
      void this.follow(this.stop.signal)
    }
  }

  private pause(): void {
    this.stop?.abort()
    this.stop = undefined
  }

  private async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.failedStreams < STREAMS_BEFORE_POLLING || Date.now() >= this.nextStreamAt) await this.stream(signal)
        else await this.poll(signal)
      } catch (cause) {
        if (this.stop?.signal !== signal) return
        const error = asApiError(cause)
        this.attempt += 1
        this.set({ error, by: undefined })
        // No second try helps without another token, which begins anew by itself.
        if (isRefusal(error)) return
        await sleep(Math.max(error.more.retryAfterMs ?? 0, backoffMs(this.attempt, Math.random())), signal)
      }
    }
  }

  private async poll(signal: AbortSignal): Promise<void> {
    const live = await readLive(signal)
    this.attempt = 0
    this.set({ live, by: 'polling', error: undefined })
    await sleep(POLL_MS, signal)
  }

  /** One stream, from its begin to its end. */
  private async stream(signal: AbortSignal): Promise<void> {
    const ended = new AbortController()
    const end = () => ended.abort()
    signal.addEventListener('abort', end, { once: true })
    let timer = setTimeout(end, FIRST_WORD_MS)
    let hasSpoken = false
    try {
      const response = await send('/api/live', {
        query: { limit: LIVE_SESSIONS_MAX },
        headers: { accept: 'text/event-stream' },
        signal: ended.signal,
        timeoutMs: undefined,
      })
      if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
        throw new ApiError('NOT_UNDERSTOOD', 'The server answered with something that is no stream.')
      }
      const parser = new EventStreamParser()
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        const events = parser.push(value)
        for (const { event, data } of events) this.take(event, data)
        hasSpoken ||= events.length > 0
        if (hasSpoken) {
          clearTimeout(timer)
          timer = setTimeout(end, SILENCE_MS)
        }
      }
    } catch (cause) {
      if (signal.aborted) return
      // One that never said anything is not to be had here; the others only broke.
      if (!hasSpoken) {
        this.failedStreams += 1
        this.nextStreamAt = Date.now() + STREAM_AGAIN_MS
        if (this.failedStreams >= STREAMS_BEFORE_POLLING && !isRefusal(cause)) return
      }
      throw ended.signal.aborted ? new ApiError('UNREACHABLE', 'The server cannot be reached.', { cause }) : cause
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      ended.abort()
    }
    // It has ended by itself: the server stops, and another one or the same comes back.
    if (!signal.aborted) throw new ApiError('UNREACHABLE', 'The server has ended the stream.')
  }

  private take(event: string, data: string): void {
    const { live } = this.state.get()
    if (event === 'sessions') this.set({ live: understood(LiveSessions, data) })
    else if (event === 'changes' && live) this.set({ live: withChanges(live, understood(LiveChanges, data)) })
    else return
    this.attempt = 0
    this.failedStreams = 0
    this.set({ by: 'stream', error: undefined })
  }

  private set(change: Partial<LiveFeedState>): void {
    this.state.set((now) => ({ ...now, ...change }))
  }
}

/** One for the tab: the list and the page of a session look at the same. */
export const liveFeed = new LiveFeed()

function understood<T>(schema: z.ZodMiniType<T>, data: string): T {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch (cause) {
    throw new ApiError('NOT_UNDERSTOOD', 'The server told something that is no JSON.', { cause })
  }
  const parsed = z.safeParse(schema, value)
  if (parsed.success) return parsed.data
  const where = parsed.error.issues[0]?.path.join('.') ?? ''
  throw new ApiError('NOT_UNDERSTOOD', `What the server tells of live sessions could not be understood (${where}).`, {
    cause: parsed.error,
  })
}

function isRefusal(cause: unknown): boolean {
  const { code } = asApiError(cause)
  return code === 'UNAUTHENTICATED' || code === 'FORBIDDEN'
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
