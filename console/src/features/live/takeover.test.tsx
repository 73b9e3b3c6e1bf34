import { QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { render, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ReactNode } from 'react'
import { IntlProvider } from 'use-intl'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { LiveSession } from '@/api/live'
import { liveFeed } from '@/api/live-feed'
import { createQueryClient } from '@/api/query-client'
import en from '@/messages/en.json'
import { useStore } from '@/lib/store'
import { keepMyName } from './my-name'
import { PersonComposer, type Waiting } from './person-composer'
import { SessionHead } from './session-head'

const ID = '01990000-0000-7000-8000-000000000001'
const AT = '2026-11-27T12:00:00.000Z'

function session(more: Partial<LiveSession> = {}): LiveSession {
  return {
    session: { id: ID, startTime: AT, lastActivity: AT, totalTokens: 0, totalCost: 0, messageCount: 4 },
    state: 'idle',
    openTurns: 0,
    clients: 2,
    ...more,
  }
}

function show(children: ReactNode) {
  const root = createRootRoute()
  const index = createRoute({ getParentRoute: () => root, path: '/', component: () => children })
  const list = createRoute({ getParentRoute: () => root, path: '/live' })
  const router = createRouter({ routeTree: root.addChildren([index, list]), history: createMemoryHistory() })
  render(
    <QueryClientProvider client={createQueryClient()}>
      <IntlProvider locale="en" messages={en} timeZone="UTC">
        <RouterProvider router={router as never} />
      </IntlProvider>
    </QueryClientProvider>,
  )
}

/** As the page does it: the feed is what says who has the session. */
function Head({ waiting = 0 }: { waiting?: number }) {
  const live = useStore(liveFeed.state, (state) => state.live?.sessions[0])
  return live ? <SessionHead live={live} title="How do I pay?" waiting={waiting} /> : null
}
const feed = (live: LiveSession) =>
  liveFeed.state.set({ live: { sessions: [live], total: 1, hasMore: false }, by: 'stream', error: undefined })

type Sent = { path: string; body: Record<string, unknown> }
const sent: Sent[] = []
let answers: (() => Response | Promise<Response>)[] = []
const refusal = (code: string, message: string, status: number) => () =>
  Response.json({ error: { code, message, timestamp: AT, requestId: 'r' } }, { status })

beforeEach(() => {
  sent.length = 0
  answers = []
  keepMyName('')
  vi.stubGlobal('fetch', (path: string, { body }: RequestInit) => {
    sent.push({ path, body: JSON.parse(typeof body === 'string' ? body : '{}') as Record<string, unknown> })
    const answer = answers.shift()
    return answer ? Promise.resolve(answer()) : Promise.reject(new TypeError('no network'))
  })
})

describe('taking a session over', () => {
  it('wants a name, says why, and shows who has it', async () => {
    feed(session())
    show(<Head />)
    await userEvent.click(await screen.findByRole('button', { name: 'Take over' }))
    expect(screen.queryByRole('switch')).toBeNull()
    await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Take over' }))
    expect(screen.getByRole('alert').textContent).toBe('Say who you are.')
    expect(sent).toEqual([])
    answers = [() => Response.json({ sessionId: ID, person: { name: 'Kim', since: AT } })]
    await userEvent.type(screen.getByRole('textbox', { name: 'Your name' }), ' Kim ')
    await userEvent.type(screen.getByRole('textbox', { name: 'Reason (optional)' }), 'They ask for a person.')
    await userEvent.keyboard('{Enter}')
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(sent).toEqual([{ path: `/api/session/${ID}/takeover`, body: { name: 'Kim', reason: 'They ask for a person.' } }])
    expect(screen.getByText(/^You have this session as Kim, since/)).toBeTruthy()
    expect(screen.getByRole('button', { name: 'Hand back' })).toBeTruthy()
  })

  it('cuts an answer off only where it is told to', async () => {
    feed(session({ state: 'running', openTurns: 1 }))
    keepMyName('Kim')
    show(<Head />)
    await userEvent.click(await screen.findByRole('button', { name: 'Take over' }))
    answers = [() => Response.json({ sessionId: ID, person: { name: 'Kim', since: AT } })]
    await userEvent.click(screen.getByRole('switch', { name: 'Cut off the answer that is being written' }))
    await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Take over' }))
    await waitFor(() => expect(sent[0]?.body).toEqual({ name: 'Kim', interrupt: true }))
  })

  it('says who was first where two people try', async () => {
    feed(session())
    keepMyName('Alex')
    show(<Head />)
    await userEvent.click(await screen.findByRole('button', { name: 'Take over' }))
    answers = [refusal('CONFLICT', 'Kim has the session: it has to be given back first.', 409)]
    await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Take over' }))
    expect((await screen.findByRole('alert')).textContent).toMatch(/^Kim has the session: it has to be given back first\. You can look on/)
    expect(screen.getByRole('dialog')).toBeTruthy()
  })

  it('lets who looks on hand it back for somebody else, and says whose it is', async () => {
    feed(session({ state: 'person', person: { name: 'Kim', since: AT }, openTurns: 2 }))
    keepMyName('Alex')
    show(<Head waiting={2} />)
    expect(await screen.findByText(/^Kim has this session, since/)).toBeTruthy()
    await userEvent.click(screen.getByRole('button', { name: 'Hand back' }))
    const dialog = screen.getByRole('dialog', { name: 'Hand the session back for Kim' })
    expect(dialog.textContent).toContain('The agents answer the 2 messages that wait, one after the other.')
    answers = [() => Response.json({ sessionId: ID, at: AT })]
    await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Hand back' }))
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(sent).toEqual([{ path: `/api/session/${ID}/release`, body: { name: 'Alex' } }])
    expect(screen.getByRole('button', { name: 'Take over' })).toBeTruthy()
  })
})

describe('answering as a person', () => {
  const waiting: Waiting[] = [
    { turnId: 't1', question: 'Where is my refund?', since: AT },
    { turnId: 't2', question: 'Are you there?', since: AT },
  ]
  const said = (turnId: string, content: string) => () =>
    Response.json({
      turnId,
      message: { id: 'm', role: 'assistant', content, agent: 'person', timestamp: AT, sessionId: ID },
      seq: 9,
      repeated: false,
    })

  it('answers the oldest that waits, or the one that is chosen', async () => {
    show(<PersonComposer sessionId={ID} name="Kim" waiting={waiting} />)
    const field = await screen.findByRole<HTMLTextAreaElement>('textbox', { name: 'Your answer' })
    answers = [said('t1', 'On its way.'), said('t2', 'I am.')]
    await userEvent.type(field, 'On its way.{Enter}')
    await waitFor(() => expect(field.value).toBe(''))
    await userEvent.click(screen.getByRole('radio', { name: /Are you there/ }))
    await userEvent.type(field, 'I am.')
    await userEvent.click(screen.getByRole('button', { name: 'Send' }))
    await waitFor(() => expect(sent).toHaveLength(2))
    expect(sent.map(({ body }) => [body['turnId'], body['content']])).toEqual([
      ['t1', 'On its way.'],
      ['t2', 'I am.'],
    ])
    expect(sent[0]?.body['clientMessageId']).not.toBe(sent[1]?.body['clientMessageId'])
  })

  it('keeps what was not sent, and sends it again as the same message', async () => {
    show(<PersonComposer sessionId={ID} name="Kim" waiting={waiting} />)
    const field = await screen.findByRole<HTMLTextAreaElement>('textbox', { name: 'Your answer' })
    await userEvent.type(field, 'On its way.{Enter}')
    expect((await screen.findByRole('alert')).textContent).toMatch(/^Not sent: The server cannot be reached/)
    expect(field.value).toBe('On its way.')
    answers = [said('t1', 'On its way.')]
    await userEvent.click(screen.getByRole('button', { name: 'Send' }))
    await waitFor(() => expect(field.value).toBe(''))
    expect(sent[1]?.body).toEqual(sent[0]?.body)
  })

  it('says something of its own accord where nobody waits, and nothing that is empty or too long', async () => {
    show(<PersonComposer sessionId={ID} name="Kim" waiting={[]} />)
    const field = await screen.findByRole<HTMLTextAreaElement>('textbox', { name: 'Your answer' })
    await userEvent.type(field, '   {Enter}')
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true)
    await userEvent.clear(field)
    await userEvent.click(field)
    await userEvent.paste('😀'.repeat(2_001))
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true)
    expect(screen.getByRole('alert').textContent).toBe('2,001 of 2,000')
    await userEvent.clear(field)
    answers = [said('m', 'Hello?')]
    await userEvent.type(field, 'Hello?{Shift>}{Enter}{/Shift}Anybody?{Enter}')
    await waitFor(() => expect(sent).toHaveLength(1))
    expect(sent[0]?.body).toMatchObject({ content: 'Hello?\nAnybody?' })
    expect(sent[0]?.body).not.toHaveProperty('turnId')
  })

  it('keeps the draft of a session over a reload', async () => {
    show(<PersonComposer sessionId={ID} name="Kim" waiting={waiting} />)
    await userEvent.type(await screen.findByRole<HTMLTextAreaElement>('textbox', { name: 'Your answer' }), 'Half a sen')
    expect(sessionStorage.getItem(`orchestratai.reply.${ID}`)).toBe('Half a sen')
  })
})
