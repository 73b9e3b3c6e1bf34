import { QueryClientProvider } from '@tanstack/react-query'
import { act, render, screen } from '@testing-library/react'
import { IntlProvider } from 'use-intl'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createQueryClient } from '@/api/query-client'
import { healthQuery } from '@/api/server'
import { MissingPart } from '@/lib/missing-part'
import en from '@/messages/en.json'
import { RouteError } from './route-error'

const reloadOnce = vi.hoisted(() => vi.fn(() => true))
vi.mock('@/lib/reload-once', () => ({ reloadOnce }))

/** The requests that wait for an answer, in order. */
const waiting: ((response: Response) => void)[] = []

async function answer(): Promise<void> {
  const health = { status: 'ok', version: '1', timestamp: '2026-11-27T12:00:00.000Z' }
  await act(async () => {
    waiting.shift()?.(new Response(JSON.stringify(health), { headers: { 'content-type': 'application/json' } }))
    await new Promise((resolve) => setTimeout(resolve, 20))
  })
}

describe('a part of the console that cannot be had', () => {
  beforeEach(() => {
    waiting.length = 0
    reloadOnce.mockClear()
    vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => waiting.push(resolve)))
  })

  it('loads the page anew by what the server answers from then on, and by nothing that was on its way', async () => {
    const client = createQueryClient()
    void client.query(healthQuery)
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    render(
      <QueryClientProvider client={client}>
        <IntlProvider locale="en" messages={en} timeZone="UTC">
          <RouteError error={new MissingPart('/assets/agents-page-x.js', undefined)} reset={() => undefined} />
        </IntlProvider>
      </QueryClientProvider>,
    )
    await screen.findByText('This part of the console could not be loaded.')
    await vi.waitFor(() => expect(waiting).toHaveLength(2))
    await answer()
    expect(reloadOnce).not.toHaveBeenCalled()
    await answer()
    expect(reloadOnce).toHaveBeenCalledWith('/assets/agents-page-x.js')
  })
})
