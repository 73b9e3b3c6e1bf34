import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchBrowser, open } from './browser'
import { ChatPage, eventsOf, LONG_QUESTION } from './chat-page'
import { begin, end, Provider, say } from './provider'
import { Server } from './server'

const QUESTION = 'How do I rotate my API key?'
/** What a browser itself says of a server that is away. */
const AWAY = /WebSocket|ERR_|Failed to load resource|Failed to fetch/
const ENDS = ['message_completed', 'turn_failed', 'turn_cancelled']

describe('the connection', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    server = await Server.start({ settings: { 'session.queue_max': '20' } })
  })
  afterEach(() => server.stop())

  it('loses nothing and repeats nothing when the server is killed in the middle of a stream', async () => {
    const { page, problems } = await open(browser, server.url, { allow: AWAY })
    const chat = new ChatPage(page)
    await chat.composer.waitFor()
    for (let index = 0; index < 8; index += 1) await chat.ask(`${index}: ${LONG_QUESTION}`)
    // Some have been answered, one is being answered, others wait.
    await page.locator('article[aria-busy="false"]').first().waitFor()
    await server.kill()
    await chat.connection.getByText('Offline').waitFor()
    await chat.ask('asked while the server was away')
    await page.getByText('Waits for the connection').waitFor()
    await server.restart()
    await chat.connected()
    await chat.answered(9)
    const events = await eventsOf(server.apiUrl, chat.sessionId)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(events.filter(({ type }) => type === 'message_accepted')).toHaveLength(9)
    expect(events.filter(({ type }) => ENDS.includes(type))).toHaveLength(9)
    // The same again from the journal alone.
    const shown = await chat.answers.allInnerTexts()
    await page.reload()
    await chat.answered(9)
    expect(await chat.answers.allInnerTexts()).toEqual(shown)
    expect(problems).toEqual([])
  })

  it('keeps messages over a reload while offline, and sends each once', async () => {
    const { page, context } = await open(browser, server.url, { allow: AWAY })
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    await server.kill()
    await chat.connection.getByText('Offline').waitFor()
    await chat.ask('first while offline')
    await chat.ask('second while offline')
    expect(await page.getByText('Waits for the connection').count()).toBe(2)
    await server.restart()
    await page.reload()
    await chat.answered(3)
    const said = (await eventsOf(server.apiUrl, chat.sessionId)).filter(({ type }) => type === 'message_accepted')
    expect(said.map(({ data }) => (data['message'] as { content: string }).content)).toEqual([QUESTION, 'first while offline', 'second while offline'])
    await context.close()
  })

  it('notices that the network went away and came back', async () => {
    const { page, context } = await open(browser, server.url, { allow: AWAY })
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    await context.setOffline(true)
    await chat.connection.getByText('Offline').waitFor({ timeout: 20_000 })
    await chat.ask('said without a network')
    await context.setOffline(false)
    await chat.connected()
    await chat.answered(2)
    expect((await eventsOf(server.apiUrl, chat.sessionId)).filter(({ type }) => type === 'message_accepted')).toHaveLength(2)
  })

  it('tells of a server that drains, and goes on after it', async () => {
    const { page } = await open(browser, server.url, { allow: AWAY })
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    server.askToStop()
    await page.getByText(/^The server restarts\./).waitFor()
    await chat.ask('asked during the restart')
    await server.restart()
    await chat.connected()
    await chat.answered(2)
    await page.getByText(/^The server restarts\./).waitFor({ state: 'detached' })
  })

  it('goes on over plain HTTP where no WebSocket can be had', async () => {
    const { page, context, problems } = await open(browser, server.url, { allow: AWAY })
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    await page.addInitScript(() => {
      window.WebSocket = class extends EventTarget {
        static readonly OPEN = 1
        readonly readyState = 3
        onclose?: (event: { code: number }) => void
        constructor() {
          super()
          setTimeout(() => this.onclose?.({ code: 1006 }))
        }
        close(): void {
          // It never was open.
        }
      } as unknown as typeof WebSocket
    })
    await page.reload()
    await chat.connection.getByText('Connected without WebSocket').waitFor()
    await chat.answered(1)
    await chat.ask('How long are audit logs kept?')
    await chat.answered(2)
    const events = await eventsOf(server.apiUrl, chat.sessionId)
    expect(events.filter(({ type }) => type === 'message_accepted')).toHaveLength(2)
    expect(problems).toEqual([])
    await context.close()
  })
})

describe('a message that the server refuses', () => {
  it('is rolled back, and goes through when it is tried again', async () => {
    let isToAnswer = false
    const provider = await Provider.start(async (_, response) => {
      begin(response)
      while (!isToAnswer) await sleep(20)
      say(response, { content: 'See [1].' })
      end(response)
    })
    const [server, browser] = await Promise.all([
      Server.start({ settings: { 'session.double_texting': 'reject', ...provider.settings } }),
      launchBrowser(),
    ])
    try {
      const { page, problems } = await open(browser, server.url)
      const chat = new ChatPage(page)
      await chat.ask('How do I rotate an API key without downtime?')
      await page.locator('article[aria-busy="true"]').waitFor()
      await chat.ask('How long does the old API key keep working?')
      await page.getByText(/^Not sent: /).waitFor()
      isToAnswer = true
      await page.locator('article[aria-busy="true"]').waitFor({ state: 'detached' })
      await page.getByRole('button', { name: 'Try again' }).click()
      await chat.answered(2)
      expect(await page.getByText(/^Not sent: /).count()).toBe(0)
      expect((await eventsOf(server.apiUrl, chat.sessionId)).filter(({ type }) => type === 'message_accepted')).toHaveLength(2)
      expect(problems).toEqual([])
    } finally {
      await browser.close()
      await server.stop()
      provider.stop()
    }
  })
})
