import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser, open } from './browser'
import { ChatPage, eventsOf } from './chat-page'
import { begin, end, Provider, say } from './provider'
import { Server } from './server'

const QUESTION = 'How do I rotate an API key without downtime?'

describe('stopping', () => {
  /** Whether a question is answered to the end: else the model goes on until somebody stops it. */
  let isToEnd = false
  /** How many answers nobody read any more. */
  let left = 0
  let provider: Provider
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    provider = await Provider.start(async (_, response) => {
      begin(response)
      if (isToEnd) {
        say(response, { content: 'See [1].' })
        end(response)
        return
      }
      await sayOn(response)
      left += 1
    })
    ;[server, browser] = await Promise.all([Server.start({ settings: provider.settings }), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
    provider.stop()
  })

  it('ends the turn that is stopped, by a button or by a key, and no other', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    const first = chat.answers.nth(0)
    await first.getByText(/And more/).waitFor()
    await chat.ask(`${QUESTION} And where is that?`)
    await first.getByRole('button', { name: 'Stop' }).click()
    await first.getByText(/^Stopped\./).waitFor()
    const second = chat.answers.nth(1)
    await second.getByText(/And more/).waitFor()
    await expect.poll(() => left).toBe(1)
    await chat.composer.press('Escape')
    await second.getByText(/^Stopped\./).waitFor()
    await chat.answered(2)
    const events = await eventsOf(server.apiUrl, chat.sessionId)
    const ends = events.filter(({ type }) => ['message_completed', 'turn_failed', 'turn_cancelled'].includes(type))
    expect(ends.map(({ type }) => type)).toEqual(['turn_cancelled', 'turn_cancelled'])
    await expect.poll(() => left).toBe(2)
    isToEnd = true
    await page.getByRole('button', { name: 'Ask again', exact: true }).last().click()
    await chat.answered(3)
    expect(await chat.answers.last().textContent()).toContain('See')
    expect(problems).toEqual([])
  })
})

/** Says one piece after the other until nobody reads. */
async function sayOn(response: ServerResponse): Promise<void> {
  while (!response.destroyed) {
    say(response, { content: 'And more of it. ' })
    await sleep(50)
  }
}
