import { QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { act, render, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { IntlProvider } from 'use-intl'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { LiveSession, LiveSessions } from '@/api/live'
import { liveFeed, type LiveFeedState } from '@/api/live-feed'
import { createQueryClient } from '@/api/query-client'
import en from '@/messages/en.json'
import { LivePage } from './live-page'
import { waitingMessages } from './matching'

const MINUTE = 60_000
const ago = (ms: number) => new Date(Date.now() - ms).toISOString()

function session(id: string, more: Partial<LiveSession> = {}): LiveSession {
  return {
    session: { id, startTime: ago(9 * MINUTE), lastActivity: ago(MINUTE), totalTokens: 0, totalCost: 0, messageCount: 4 },
    state: 'idle',
    openTurns: 0,
    clients: 1,
    ...more,
  }
}
const turn = (question: string, agent?: string) => ({
  turnId: 't1',
  state: 'running' as const,
  startedAt: ago(65_000),
  question,
  ...(agent === undefined ? {} : { agent }),
})
const SESSIONS = [
  session('0199-aaaa', { state: 'running', turn: turn('How do I pay?', 'billing'), openTurns: 3, clients: 2, node: 'n1' }),
  session('0199-bbbb', { state: 'person', turn: turn('Where is my refund?', 'person'), openTurns: 1, person: { name: 'Kim', since: ago(2 * MINUTE) } }),
  session('0199-cccc'),
]
const of = (sessions: LiveSession[], more: Partial<LiveSessions> = {}): LiveSessions => ({ sessions, total: sessions.length, hasMore: false, ...more })

function show(state: Partial<LiveFeedState>, path = '/live') {
  const root = createRootRoute()
  const list = createRoute({ getParentRoute: () => root, path: '/live', component: LivePage })
  const one = createRoute({ getParentRoute: () => root, path: '/live/$sessionId' })
  const router = createRouter({ routeTree: root.addChildren([list, one]), history: createMemoryHistory({ initialEntries: [path] }) })
  liveFeed.state.set({ live: undefined, by: 'stream', error: undefined, ...state })
  render(
    <QueryClientProvider client={createQueryClient()}>
      <IntlProvider locale="en" messages={en} timeZone="UTC">
        <RouterProvider router={router as never} />
      </IntlProvider>
    </QueryClientProvider>,
  )
  return router
}

beforeEach(() => {
  vi.spyOn(liveFeed, 'watch').mockReturnValue(() => undefined)
  const billing = { id: 'billing', name: 'Billing', status: 'idle', model: 'm', color: 'green', tokensUsed: 0, cost: 0 }
  const { session: named } = session('0199-cccc')
  const sessions = [{ ...named, state: 'idle', title: 'Rotating a key' }]
  vi.stubGlobal('fetch', (path: string) =>
    Promise.resolve(Response.json(path.startsWith('/api/sessions') ? { sessions, hasMore: false } : { agents: [billing], hasMore: false })),
  )
})

describe('the list of live sessions', () => {
  it('says of each what is asked, who is at it since when, who waits and who looks on', async () => {
    show({ live: of(SESSIONS) })
    const rows = within(await screen.findByRole('list', { name: 'Live sessions' })).getAllByRole('listitem')
    await screen.findByText(/^Billing, answering/)
    await screen.findByText('Rotating a key')
    expect(rows[0]?.textContent).toMatch(/^Running2 waitHow do I pay\?Billing, answeringasked 1 min \d+ s ago0199-aaaa2 clients4 messagesn1$/)
    expect(rows[1]?.textContent).toMatch(/^With a person1 waitsWhere is my refund\?Kim, for 2 min \d+ s/)
    expect(rows[2]?.textContent).toMatch(/^IdleRotating a keylast active at/)
    const link = within(rows[0] ?? document.body).getByRole('link', { name: 'How do I pay?' })
    expect(link.getAttribute('href')).toBe('/live/0199-aaaa')
  })

  it('puts those first in which a person is wanted, and says who asks for one and why', async () => {
    const wanted = (minutes: number, reason: string) => ({ agent: 'billing', reason, since: ago(minutes * MINUTE) })
    const taken = session('0199-ffff', { state: 'person', person: { name: 'Kim', since: ago(MINUTE) }, personWanted: wanted(9, 'Kim has come') })
    const calls = [
      session('0199-dddd', { personWanted: wanted(2, '500 dollars') }),
      session('0199-eeee', { personWanted: wanted(5, 'They are angry') }),
    ]
    show({ live: of([taken, ...SESSIONS, ...calls]) })
    const rows = within(await screen.findByRole('list', { name: 'Live sessions' })).getAllByRole('listitem')
    await screen.findByText(/^Billing, answering/)
    expect(rows[0]?.textContent).toMatch(/^IdlePerson wantedWaits for a messageBilling asks for a person, for 5 min \d+ s: They are angry/)
    expect(rows[1]?.textContent).toMatch(/500 dollars/)
    expect(rows[2]?.textContent).toMatch(/Kim/)
    expect(screen.queryByText(/Kim has come/)).toBeNull()
    await userEvent.type(screen.getByRole('searchbox'), 'angry')
    await vi.waitFor(() => expect(screen.getAllByRole('listitem').length).toBe(1))
  })

  it('counts what waits behind the turn that runs, and all that waits for a person', () => {
    expect(SESSIONS.map(waitingMessages)).toEqual([2, 1, 0])
  })

  it.each([
    ['pay', ['How do I pay?']],
    ['BILLING', ['How do I pay?']],
    ['kim refund', ['Where is my refund?']],
    ['rotating', ['Rotating a key']],
    ['0199', ['How do I pay?', 'Where is my refund?', 'Rotating a key']],
  ])('finds by %j', async (query, found) => {
    const router = show({ live: of(SESSIONS) })
    await userEvent.type(await screen.findByRole('searchbox'), query)
    const links = () => within(screen.getByRole('list', { name: 'Live sessions' })).getAllByRole('link').map((one) => one.textContent)
    await vi.waitFor(() => expect(links()).toEqual(found))
    expect(router.state.location.search).toMatchObject({ q: expect.anything() as unknown })
  })

  it('keeps what is looked for in the address, and says so where nothing matches', async () => {
    const router = show({ live: of(SESSIONS) }, '/live?state=person')
    expect((await screen.findAllByRole('listitem')).length).toBe(1)
    expect(screen.getByText('1 of 3 sessions in progress')).toBeTruthy()
    await userEvent.selectOptions(screen.getByRole('combobox', { name: 'State' }), 'Idle')
    expect(router.state.location.search).toEqual({ state: 'idle' })
    await userEvent.type(screen.getByRole('searchbox'), 'nothing like it')
    await screen.findByText('No live session matches')
    await userEvent.click(screen.getByRole('button', { name: 'Show all' }))
    expect(router.state.location.search).toEqual({})
    expect(screen.getAllByRole('listitem').length).toBe(3)
  })

  it('changes as the feed does', async () => {
    show({ live: of(SESSIONS) })
    expect((await screen.findAllByRole('listitem')).length).toBe(3)
    act(() => liveFeed.state.set((now) => ({ ...now, live: of([]) })))
    expect(screen.getByText('Nobody is here just now')).toBeTruthy()
  })

  it('says what is missing, and why', async () => {
    const { ApiError } = await import('@/api/error')
    const error = new ApiError('UNREACHABLE', 'The server cannot be reached.')
    show({ live: of(SESSIONS, { hasMore: true, total: 900, missingNodes: ['n2'] }), by: 'polling', error })
    await screen.findByText('What you see may be out of date. The server cannot be reached.')
    expect(screen.getByText('Node n2 has not answered: its sessions are missing here.')).toBeTruthy()
    expect(screen.getByText(/^The server's stream cannot be had/)).toBeTruthy()
    expect(screen.getByText('The 3 latest active of 900 are listed.')).toBeTruthy()
    const restart = vi.spyOn(liveFeed, 'restart').mockReturnValue()
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
    expect(restart).toHaveBeenCalledOnce()
  })
})
