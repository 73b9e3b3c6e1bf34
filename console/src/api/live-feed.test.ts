import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LiveFeed } from './live-feed'
import { withChanges, type LiveSession, type LiveSessions } from './live'

function session(id: string, activeAt: number, more: Partial<LiveSession> = {}): LiveSession {
  const at = new Date(1_800_000_000_000 + activeAt * 1_000).toISOString()
  return {
    session: { id, startTime: at, lastActivity: at, totalTokens: 0, totalCost: 0, messageCount: 0 },
    state: 'idle',
    openTurns: 0,
    clients: 1,
    ...more,
  }
}
const of = (...sessions: LiveSession[]): LiveSessions => ({ sessions, total: sessions.length, hasMore: false })
const ids = (live: LiveSessions | undefined) => live?.sessions.map((one) => one.session.id)

describe('withChanges', () => {
  it('replaces what changed, drops what is gone, and keeps the latest active first', () => {
    const live = of(session('a', 3), session('b', 2), session('c', 1))
    const after = withChanges(live, { changed: [session('c', 9, { clients: 4 }), session('d', 2)], gone: ['a'], total: 7 })
    expect(ids(after)).toEqual(['c', 'b', 'd'])
    expect(after.sessions[0]?.clients).toBe(4)
    expect(after).toMatchObject({ total: 7, hasMore: true })
    expect(after).not.toHaveProperty('missingNodes')
  })

  it('forgets nodes that have answered again', () => {
    const live = { ...of(), missingNodes: ['n1'] }
    expect(withChanges(live, { changed: [], gone: [], total: 0, missingNodes: ['n2'] }).missingNodes).toEqual(['n2'])
    expect(withChanges(live, { changed: [], gone: [], total: 0 }).missingNodes).toBeUndefined()
  })
})

type Streamed = { tell: (text: string) => void; end: () => void }
type Asked = { accept: string; signal: AbortSignal | null }

describe('LiveFeed', () => {
  const asked: Asked[] = []
  const streams: Streamed[] = []
  let answer: (asked: Asked) => Promise<Response>
  let feed: LiveFeed
  let leave: () => void

  const stream = (one: Asked): Response => {
    const encoder = new TextEncoder()
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        streams.push({ tell: (text) => controller.enqueue(encoder.encode(text)), end: () => controller.close() })
        one.signal?.addEventListener('abort', () => controller.error(new DOMException('', 'AbortError')))
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
  const told = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  const visibility = (value: string) => {
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(value as DocumentVisibilityState)
    document.dispatchEvent(new Event('visibilitychange'))
  }

  beforeEach(() => {
    vi.useFakeTimers()
    asked.length = 0
    streams.length = 0
    answer = (one) => Promise.resolve(stream(one))
    vi.stubGlobal('fetch', (_address: string, { headers, signal }: RequestInit) => {
      const one = { accept: new Headers(headers).get('accept') ?? '', signal: signal ?? null }
      asked.push(one)
      return answer(one)
    })
    feed = new LiveFeed()
  })
  afterEach(() => {
    leave()
    vi.useRealTimers()
  })

  it('takes all sessions first, then what changes', async () => {
    leave = feed.watch()
    await pass(0)
    streams[0]?.tell(told('sessions', of(session('a', 1))))
    await pass(0)
    expect(feed.state.get()).toMatchObject({ by: 'stream', error: undefined })
    streams[0]?.tell(told('changes', { changed: [session('b', 2)], gone: [], total: 2 }))
    await pass(0)
    expect(ids(feed.state.get().live)).toEqual(['b', 'a'])
    expect(asked).toHaveLength(1)
  })

  it('comes back after the end of a stream, keeps what it knows, and is silent no longer than the server', async () => {
    leave = feed.watch()
    await pass(0)
    streams[0]?.tell(told('sessions', of(session('a', 1))))
    await pass(0)
    streams[0]?.end()
    await pass(0)
    expect(feed.state.get()).toMatchObject({ by: undefined, error: { code: 'UNREACHABLE' } })
    expect(ids(feed.state.get().live)).toEqual(['a'])
    await pass(1_000)
    expect(streams).toHaveLength(2)
    streams[1]?.tell(told('sessions', of()))
    await pass(0)
    expect(feed.state.get()).toMatchObject({ by: 'stream', error: undefined, live: { sessions: [] } })
    await pass(30_000)
    streams[1]?.tell(':\n\n')
    await pass(30_000)
    expect(streams).toHaveLength(2)
    await pass(60_000)
    expect(streams.length).toBeGreaterThan(2)
  })

  it('asks again and again where streams are held back, and tries them again', async () => {
    answer = (one) => Promise.resolve(one.accept === 'application/json' ? Response.json(of(session('a', 1))) : stream(one))
    leave = feed.watch()
    await pass(30_000)
    expect(feed.state.get()).toMatchObject({ by: 'polling', error: undefined })
    expect(ids(feed.state.get().live)).toEqual(['a'])
    const tried = streams.length
    expect(tried).toBe(2)
    await pass(60_000)
    expect(streams.length).toBeGreaterThan(tried)
    streams.at(-1)?.tell(told('sessions', of(session('b', 1))))
    await pass(0)
    expect(feed.state.get()).toMatchObject({ by: 'stream' })
  })

  it('hears nothing while nobody can see it, and once nobody looks', async () => {
    leave = feed.watch()
    await pass(0)
    visibility('hidden')
    await pass(120_000)
    expect(asked).toHaveLength(1)
    expect(asked[0]?.signal?.aborted).toBe(true)
    visibility('visible')
    await pass(0)
    expect(asked).toHaveLength(2)
    leave()
    await pass(120_000)
    expect(asked).toHaveLength(2)
    expect(asked[1]?.signal?.aborted).toBe(true)
  })

  it('asks no more where it is refused', async () => {
    const error = { code: 'FORBIDDEN', message: 'No.', timestamp: '', requestId: 'r' }
    answer = () => Promise.resolve(Response.json({ error }, { status: 403 }))
    leave = feed.watch()
    await pass(300_000)
    expect(asked).toHaveLength(1)
    expect(feed.state.get().error).toMatchObject({ code: 'FORBIDDEN', message: 'No.' })
  })

  it('shows what it does not understand as an error, and goes on', async () => {
    leave = feed.watch()
    await pass(0)
    streams[0]?.tell(told('sessions', { sessions: 'none' }))
    await pass(0)
    expect(feed.state.get().error?.code).toBe('NOT_UNDERSTOOD')
    await pass(10_000)
    expect(streams.length).toBeGreaterThan(1)
  })
})
