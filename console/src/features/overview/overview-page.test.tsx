import { QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { render, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { IntlProvider } from 'use-intl'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Overview } from '@/api/overview'
import { createQueryClient } from '@/api/query-client'
import de from '@/messages/de.json'
import en from '@/messages/en.json'
import { agentHealth } from './agent-health'
import { OverviewPage } from './overview-page'

// It draws on a canvas, which there is none of here; end-to-end tests see it.
vi.mock('@/ui/plot-canvas', () => ({ PlotCanvas: () => null }))

const overview: Overview = {
  at: '2026-11-27T12:00:00.000Z',
  window: '1h',
  stepSeconds: 30,
  now: {
    overSeconds: 60,
    turnsInFlight: 3,
    turnsPerSecond: 0.5,
    errorsPerSecond: 0.05,
    latencyP50Ms: 8.25,
    latencyP95Ms: 640.4,
    latencyP99Ms: 12_340,
    cacheHitRate: 0,
    sessions: 12_345,
    connections: 1,
  },
  series: [
    { at: '2026-11-27T11:59:00.000Z', turnsPerSecond: 0.25, errorsPerSecond: 0, sessions: 4, connections: 1 },
    { at: '2026-11-27T11:59:30.000Z', turnsPerSecond: 0.5, errorsPerSecond: 0.05, latencyP50Ms: 8.25, sessions: 5, connections: 2 },
  ],
  agents: [
    { id: 'billing', status: 'active', turns: 200, errors: 3, latencyP50Ms: 7, latencyP95Ms: 900 },
    { id: 'technical', status: 'idle', turns: 0, errors: 0 },
  ],
  totals: { turns: 200, errors: 3, since: '2026-11-27T11:00:00.000Z' },
}
const answers: Record<string, unknown> = {}

function show(language: 'en' | 'de' = 'en', path = '/overview') {
  const root = createRootRoute()
  const route = createRoute({ getParentRoute: () => root, path: '/overview', component: OverviewPage })
  const agent = createRoute({ getParentRoute: () => root, path: '/agents/$agentId' })
  const router = createRouter({ routeTree: root.addChildren([route, agent]), history: createMemoryHistory({ initialEntries: [path] }) })
  render(
    <QueryClientProvider client={createQueryClient()}>
      <IntlProvider locale={language} messages={language === 'de' ? de : en} timeZone="UTC">
        <RouterProvider router={router as never} />
      </IntlProvider>
    </QueryClientProvider>,
  )
  return router
}

const asked: string[] = []
beforeEach(() => {
  asked.length = 0
  Object.assign(answers, {
    '/api/overview': overview,
    '/api/agents': { agents: [], hasMore: false },
    '/api/console': { version: '1', authentication: 'open', examples: [] },
    '/api/health/services': { status: 'degraded', services: [{ name: 'redis', state: 'down', detail: 'refused' }], timestamp: overview.at },
  })
  vi.stubGlobal('fetch', (address: string) => {
    asked.push(address)
    const body = answers[address.split('?')[0] ?? '']
    return Promise.resolve(body instanceof Response ? body.clone() : Response.json(body))
  })
})

describe('the overview', () => {
  it('gives each figure its unit, and says where nothing is known', async () => {
    show()
    const now = await screen.findByRole('region', { name: 'The last minute' })
    const figure = (name: string) => within(now).getByText(name).closest('div')?.textContent.replaceAll('\u00a0', ' ')
    expect(figure('Turns')).toBe('Turns30/min3 in flight')
    expect(figure('Failed turns')).toBe('Failed turns10%3/min')
    expect(figure('Latency, median')).toBe('Latency, median8.25 msp95 640 ms · p99 12.3 s')
    expect(figure('Tokens')).toBe('Tokensno dataNo model has reported any')
    expect(figure('Cache hits')).toBe('Cache hits0%of all look-ups')
    expect(figure('Sessions')).toBe('Sessions12,3451 connection')
  })

  it('writes them as German readers do', async () => {
    show('de')
    const now = await screen.findByRole('region', { name: 'Die letzte Minute' })
    expect(within(now).getByText('Latenz, Median').closest('div')?.textContent.replaceAll('\u00a0', ' ')).toBe('Latenz, Median8,25 msp95 640 ms · p99 12,3 s')
    expect(within(now).getByText('Sitzungen').closest('div')?.textContent.replaceAll('\u00a0', ' ')).toBe('Sitzungen12.3451 Verbindung')
  })

  it('says of how many nodes it is, and that others do not answer', async () => {
    const of = (...states: string[]) => ({ ...overview, node: 'n0', nodes: states.map((state, at) => ({ node: `n${at}`, state })) })
    answers['/api/overview'] = of('answered', 'answered')
    show()
    await screen.findByText(/^The last minute of 2 nodes, as of/)
    answers['/api/overview'] = of('answered', 'silent', 'answered')
    show()
    await screen.findByText(/^The last minute of 2 of 3 nodes, as of .*: the others do not answer\.$/)
  })

  it('says each plot as a table, and which plots have nothing to show', async () => {
    show()
    await userEvent.click(await screen.findByRole('button', { name: 'Turns and errors: show as a table' }))
    const rows = within(screen.getByRole('table', { name: 'Turns and errors, values over time' })).getAllByRole('row')
    expect(rows.map((row) => row.textContent.replace(/\s(?=AM)/u, ' '))).toEqual(['TimeTurnsFailed', '11:59:30 AM30/min3/min', '11:59:00 AM15/min0/min'])
    expect(within(screen.getByRole('region', { name: 'Tokens' })).getByText(/^No data: no model provider/)).toBeTruthy()
    await userEvent.click(screen.getByRole('button', { name: 'Latency: show as a table' }))
    const latency = within(screen.getByRole('table', { name: 'Latency, values over time' })).getAllByRole('row')
    expect(latency.at(-1)?.textContent.replace(/\s(?=AM)/u, ' ')).toBe('11:59:00 AMno datano datano datano data')
  })

  it('takes the window from the address, and another one into it', async () => {
    const router = show('en', '/overview?window=6h')
    await screen.findByRole('region', { name: 'The last minute' })
    expect(asked).toContain('/api/overview?window=6h')
    await userEvent.click(screen.getByRole('link', { name: '24 h' }))
    expect(router.state.location.search).toEqual({ window: '24h' })
    expect(asked).toContain('/api/overview?window=24h')
    expect(screen.getByRole('link', { name: '24 h' }).getAttribute('aria-current')).toBe('page')
  })

  it('shows how agents and parts are doing', async () => {
    show()
    const table = await screen.findByRole('table', { name: 'Agents' })
    expect(within(table).getByRole('row', { name: /billing/ }).textContent.replaceAll('\u00a0', ' ')).toMatch(/^billingSome errorsActive20037 ms900 msno data/)
    expect(within(table).getByRole('row', { name: /technical/ }).textContent).toMatch(/^technicalNot askedIdle00no data/)
    expect(await screen.findByText('refused')).toBeTruthy()
    expect(agentHealth({ turns: 20, errors: 1 })).toBe('failing')
    expect(agentHealth({ turns: 21, errors: 1 })).toBe('someErrors')
  })

  it('leads into Grafana only where there is one', async () => {
    show()
    await screen.findByRole('region', { name: 'The last minute' })
    expect(screen.queryByRole('link', { name: /Grafana/ })).toBeNull()
  })

  it('leads into Grafana where the server knows one', async () => {
    answers['/api/console'] = { version: '1', authentication: 'open', examples: [], grafanaUrl: 'http://grafana.example' }
    show()
    const link = await screen.findByRole('link', { name: 'Agents: open in Grafana' })
    expect(link.getAttribute('href')).toBe('http://grafana.example/d/orchestratai-agents?from=now-1h&to=now')
  })

  it('says why where the server refuses', async () => {
    const error = { code: 'FORBIDDEN', message: 'Not for you.', timestamp: overview.at, requestId: 'r' }
    answers['/api/overview'] = Response.json({ error }, { status: 403 })
    show()
    expect((await screen.findByRole('alert')).textContent).toBe('Not for you.')
  })

  it('shows an answer that it does not understand as an error, and does not break', async () => {
    answers['/api/overview'] = { ...overview, series: [{ at: 7 }] }
    show()
    expect((await screen.findByRole('alert')).textContent).toMatch(/could not be understood \(series\.0\.at/)
  })
})
