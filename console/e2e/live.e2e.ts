import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { documentPicture, expectAccessible, launchBrowser, open } from './browser'
import { Server } from './server'

/** Somebody who chats: a page of their own, and the session that they are in. */
async function customer(browser: Browser, server: Server, question: string): Promise<{ page: Page; sessionId: string; say: (text: string) => Promise<void> }> {
  const { page } = await open(browser, server.url)
  const say = async (text: string) => {
    const field = page.getByRole('textbox', { name: 'Message', exact: true })
    await field.fill(text)
    await field.press('Enter')
  }
  await say(question)
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  const sessionId = new URL(page.url()).pathname.slice('/chat/'.length)
  await page.getByRole('article', { name: /^Answer of/ }).first().waitFor()
  return { page, sessionId, say }
}

/** An operator on the page of one session. */
async function lookOn(browser: Browser, server: Server, sessionId: string, name?: string) {
  const watched = await open(browser, `${server.url}/live/${sessionId}`)
  await watched.page.getByRole('feed', { name: 'Conversation' }).waitFor()
  if (name !== undefined) await takeOver(watched.page, name)
  return watched
}

async function takeOver(page: Page, name: string, reason?: string): Promise<void> {
  await page.getByRole('button', { name: 'Take over' }).click()
  const dialog = page.getByRole('dialog', { name: 'Take the session over' })
  await dialog.getByRole('textbox', { name: 'Your name' }).fill(name)
  if (reason !== undefined) await dialog.getByRole('textbox', { name: 'Reason (optional)' }).fill(reason)
  await dialog.getByRole('button', { name: 'Take over' }).click()
}

/** Each has two or three browsers' pages at once, and one of them a server that starts twice. */
const PATIENCE = { timeout: 180_000 }

describe('live sessions', PATIENCE, () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start(), launchBrowser()])
  })
  // A page that is left open is a client of its session, and somebody who is listed.
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close()
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('lists who is here, finds by agent and state, and forgets who has left', async () => {
    const { page, problems } = await open(browser, `${server.url}/live`)
    await page.getByText('Nobody is here just now').waitFor()
    const visitor = await customer(browser, server, 'How do I pay?')
    const row = page.getByRole('listitem').filter({ hasText: visitor.sessionId.slice(-12) })
    await row.waitFor()
    await page.getByRole('searchbox').fill(visitor.sessionId)
    await row.waitFor()
    await page.getByRole('combobox', { name: 'State' }).selectOption('person')
    await page.getByText('No live session matches').waitFor()
    expect(new URL(page.url()).searchParams.get('state')).toBe('person')
    await page.getByRole('button', { name: 'Show all' }).click()
    await row.getByRole('link').focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(new RegExp(visitor.sessionId))
    await page.getByRole('heading', { level: 1, name: 'How do I pay?' }).waitFor()
    await page.getByRole('link', { name: 'Back to live sessions' }).click()
    await visitor.page.context().close()
    await page.getByText('Nobody is here just now').waitFor()
    expect(problems).toEqual([])
  })

  it('shows a session as it happens, with its trace, and sends nothing', async () => {
    const visitor = await customer(browser, server, 'What is an API key?')
    const { page, problems } = await lookOn(browser, server, visitor.sessionId)
    const sent: string[] = []
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(String(payload))))
    await page.getByRole('article', { name: 'Message of the user' }).getByText('What is an API key?').waitFor()
    await visitor.say('How do I rotate it?')
    await page.getByRole('article', { name: 'Message of the user' }).getByText('How do I rotate it?').waitFor()
    await page.getByRole('article', { name: /^Answer of/ }).nth(1).waitFor()
    const trace = page.getByRole('complementary', { name: 'Trace' })
    await trace.getByText('How do I rotate it?').first().waitFor()
    await trace.getByRole('button', { name: /turn/i }).last().click()
    await page.getByRole('dialog').getByRole('tab', { name: 'Waterfall' }).click()
    await page.keyboard.press('Escape')
    for (const name of [/Edit/, /Ask again/, /Ask anew/, /Stop/]) expect(await page.getByRole('button', { name }).count()).toBe(0)
    expect(sent.filter((frame) => frame.includes('send_message'))).toEqual([])
    expect(problems).toEqual([])
  })

  it('takes a session over, answers in it, and hands it back', async () => {
    const visitor = await customer(browser, server, 'How do I pay?')
    const { page, problems } = await lookOn(browser, server, visitor.sessionId)
    await takeOver(page, 'Kim', 'They ask for a person.')
    await page.getByText(/^You have this session as Kim, since/).waitFor()
    await visitor.page.getByText('Kim has taken the session over').waitFor()
    await visitor.page.getByText('They ask for a person.').waitFor()

    await visitor.say('Where is my refund?')
    const reply = page.getByRole('form', { name: 'Answer as Kim' })
    await reply.getByText('A message waits for you').waitFor()
    await visitor.say('Are you there?')
    await reply.getByText('2 messages wait for you').waitFor()
    await reply.getByRole('textbox', { name: 'Your answer' }).fill('It is on its way.')
    await page.keyboard.press('Enter')
    await visitor.page.getByRole('article', { name: 'Answer of A person' }).getByText('It is on its way.').waitFor()
    await reply.getByText('A message waits for you').waitFor()

    const list = await open(browser, `${server.url}/live?state=person`)
    await list.page.getByRole('listitem').filter({ hasText: 'Kim, for' }).filter({ hasText: '1 waits' }).waitFor()
    await list.context.close()

    await page.getByRole('button', { name: 'Hand back' }).click()
    const dialog = page.getByRole('dialog', { name: 'Hand the session back' })
    await dialog.getByText('The agents answer the message that waits.').waitFor()
    await dialog.getByRole('button', { name: 'Hand back' }).click()
    await page.getByRole('button', { name: 'Take over' }).waitFor()
    await visitor.page.getByText('Kim has handed the session back to the agents').waitFor()
    // The agents answer what the person left.
    await expect.poll(() => visitor.page.getByRole('article', { name: /^Answer of (?!A person)/ }).count(), { timeout: 30_000 }).toBe(2)
    expect(problems).toEqual([])
  })

  it('lets one person have a session at a time, and another hand it back for them', async () => {
    const visitor = await customer(browser, server, 'How do I pay?')
    const kim = await lookOn(browser, server, visitor.sessionId)
    // Their dialog is open before Kim has it: the server decides.
    const alex = await open(browser, `${server.url}/live/${visitor.sessionId}`, { allow: /409/ })
    await alex.page.getByRole('button', { name: 'Take over' }).click()
    await takeOver(kim.page, 'Kim')
    await kim.page.getByText(/^You have this session as Kim/).waitFor()
    const dialog = alex.page.getByRole('dialog', { name: 'Take the session over' })
    await dialog.getByRole('textbox', { name: 'Your name' }).fill('Alex')
    await dialog.getByRole('button', { name: 'Take over' }).click()
    await dialog.getByRole('alert').getByText(/Kim has the session/).waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await alex.page.getByText(/^Kim has this session, since/).waitFor()
    expect(await alex.page.getByRole('form').count()).toBe(0)

    // Half a sentence is not lost where the session goes.
    await kim.page.getByRole('textbox', { name: 'Your answer' }).fill('I was about to')
    await alex.page.getByRole('button', { name: 'Hand back' }).click()
    await alex.page.getByRole('dialog', { name: 'Hand the session back for Kim' }).getByRole('button', { name: 'Hand back' }).click()
    await kim.page.getByRole('form').waitFor({ state: 'detached' })
    await takeOver(kim.page, 'Kim')
    expect(await kim.page.getByRole('textbox', { name: 'Your answer' }).inputValue()).toBe('I was about to')
    expect(kim.problems).toEqual([])
    expect(alex.problems).toEqual([])
  })

  it('keeps who has a session through a crash of the server', async () => {
    const visitor = await customer(browser, server, 'How do I pay?')
    const { page } = await lookOn(browser, server, visitor.sessionId, 'Kim')
    await page.getByText(/^You have this session as Kim/).waitFor()
    await visitor.say('Is anybody there?')
    await page.getByText('A message waits for you').waitFor()
    await server.restart()
    await page.getByText('A message waits for you').waitFor({ timeout: 60_000 })
    await page.getByRole('textbox', { name: 'Your answer' }).fill('I am.')
    await page.getByRole('button', { name: 'Send' }).click()
    await visitor.page.getByRole('article', { name: 'Answer of A person' }).getByText('I am.').waitFor({ timeout: 60_000 })
  })

  it('says so where there is no such session, and begins none', async () => {
    const id = crypto.randomUUID()
    const { page } = await open(browser, `${server.url}/live/${id}`, { allow: /404/ })
    await page.getByText('There is no such session').waitFor()
    expect((await fetch(`${server.apiUrl}/api/session/${id}`)).status).toBe(404)
  })

  it.each(['light', 'dark'] as const)('is accessible in %s, with a session that a person has', async (colorScheme) => {
    const visitor = await customer(browser, server, 'How do I pay?')
    const { page, problems } = await open(browser, `${server.url}/live/${visitor.sessionId}`, { colorScheme })
    await page.getByRole('button', { name: 'Take over' }).click()
    await page.getByRole('dialog').waitFor()
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    await takeOver(page, 'Kim')
    await visitor.say('Where is my refund?')
    await page.getByText('A message waits for you').waitFor()
    await expectAccessible(page)
    if (colorScheme === 'light') await documentPicture(page, 'console-takeover')
    await page.goto(`${server.url}/live`)
    await page.getByRole('listitem').filter({ hasText: 'Kim, for' }).first().waitFor()
    await expectAccessible(page)
    if (colorScheme === 'light') await documentPicture(page, 'console-live')
    expect(problems).toEqual([])
  })

  it('fits a phone, in German', async () => {
    const visitor = await customer(browser, server, 'How do I pay?')
    const { page, problems } = await open(browser, `${server.url}/live/${visitor.sessionId}`, {
      viewport: { width: 360, height: 740 },
      locale: 'de-DE',
    })
    await page.getByRole('tab', { name: 'Ablauf' }).click()
    await page.getByRole('region', { name: /Schritte/ }).waitFor()
    await page.getByRole('button', { name: 'Übernehmen' }).click()
    await page.getByRole('textbox', { name: 'Ihr Name' }).fill('Kim')
    await page.getByRole('dialog').getByRole('button', { name: 'Übernehmen' }).click()
    await page.getByRole('tab', { name: 'Gespräch' }).click()
    await page.getByRole('form', { name: 'Antworten als Kim' }).waitFor()
    expect(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)).toBe(false)
    expect(problems).toEqual([])
  })
})
