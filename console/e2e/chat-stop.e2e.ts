import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser, open } from './browser'
import { ChatPage, eventsOf } from './chat-page'
import { Server } from './server'

/** A question that the second stage of search has to rank, which takes a debug build long enough to be stopped. */
const SLOW = 'What happens to my things when somebody leaves, and who may see them then?'

describe('stopping', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([
      Server.start({ settings: { 'retrieval.cascade': 'true', 'retrieval.transformer_wait': '10s', 'session.queue_max': '20' } }),
      launchBrowser(),
    ])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('ends the turn that is stopped, by a button or by a key, and no other', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    const asked = await stopsOne(chat, () => chat.answers.last().getByRole('button', { name: 'Stop' }).dispatchEvent('click', undefined, { timeout: 2_000 }))
    const more = await stopsOne(chat, () => chat.composer.press('Escape'), asked)
    const events = await eventsOf(server.apiUrl, chat.sessionId)
    const ends = events.filter(({ type }) => ['message_completed', 'turn_failed', 'turn_cancelled'].includes(type))
    expect(ends).toHaveLength(more)
    expect(ends.filter(({ type }) => type === 'turn_cancelled')).toHaveLength(2)
    await page.getByRole('button', { name: 'Ask again', exact: true }).last().click()
    await chat.answered(more + 1)
    expect(problems).toEqual([])
  })
})

/** Asks and stops until an answer could be stopped before it was whole. Gives how many questions there are then. */
async function stopsOne(chat: ChatPage, stop: () => Promise<void>, before = 0): Promise<number> {
  for (let asked = before + 1; asked < before + 10; asked += 1) {
    await chat.ask(`${asked}: ${SLOW}`)
    await chat.page.locator(`article[aria-posinset="${2 * asked}"]`).waitFor()
    await stop().catch(() => undefined)
    await chat.answered(asked)
    if ((await chat.answers.last().getByText(/^Stopped\./).count()) > 0) return asked
  }
  throw new Error('no answer could be stopped in time')
}
