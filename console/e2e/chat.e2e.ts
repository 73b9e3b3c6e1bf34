import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { documentPicture, expectAccessible, launchBrowser, open } from './browser'
import { ChatPage, eventsOf } from './chat-page'
import { Server } from './server'

const QUESTION = 'How do I rotate my API key?'

describe('the chat', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start({ settings: { 'session.queue_max': '20' } }), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('answers an example question, with its agent, its confidence, its steps and its sources', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await page.getByRole('list', { name: 'Questions to try' }).getByRole('button').nth(2).waitFor()
    await page.getByRole('list', { name: 'Questions to try' }).getByRole('button').first().click()
    await chat.answered(1)
    await chat.answers.first().getByText(/% sure/).waitFor()
    await chat.answers.getByRole('button', { name: /Source 1/ }).first().waitFor()
    expect(page.url()).toMatch(/\/chat\/[0-9a-f-]{36}$/)
    await chat.steps.getByText('Query analysis').first().waitFor()
    await chat.steps.getByText('Vector search').first().waitFor()
    await page.getByText(/ has answered: .+/).waitFor({ state: 'attached' })
    await expectAccessible(page)
    await page.reload()
    await chat.answered(1)
    expect(await page.getByRole('article').count()).toBe(2)
    expect(problems).toEqual([])
  })

  it.each([
    ['in light', { colorScheme: 'light' }],
    ['in dark', { colorScheme: 'dark' }],
    ['with high contrast', { contrast: 'more' }],
    ['in German', { locale: 'de-DE' }],
  ] as const)('is accessible %s, with a conversation in it', async (name, options) => {
    const { page, problems } = await open(browser, server.url, options)
    const field = page.getByRole('textbox', { name: /^(Message|Nachricht)$/ })
    await field.fill(QUESTION)
    await field.press('Enter')
    await new ChatPage(page).answered(1)
    await page.locator('article[aria-busy="false"] .markdown-block').first().waitFor()
    await page.getByRole('region', { name: /^(Steps|Schritte)$/ }).getByRole('button', { expanded: false }).first().click()
    await expectAccessible(page)
    if (name === 'in light') await documentPicture(page, 'console-chat')
    if (name === 'in dark') await documentPicture(page, 'console-chat-dark')
    expect(problems).toEqual([])
  })

  it('edits and sends again, asks anew past the cache, and copies', async () => {
    const { page, context, problems } = await open(browser, server.url)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const chat = new ChatPage(page)
    await chat.ask('How long are audit logs kept?')
    await chat.answered(1)
    await page.getByRole('button', { name: 'Edit and send again' }).click()
    expect(await chat.composer.inputValue()).toBe('How long are audit logs kept?')
    await chat.composer.fill('How long are audit logs kept on the Business plan?')
    await chat.composer.press('Enter')
    await chat.answered(2)
    await chat.composer.press('ArrowUp')
    expect(await chat.composer.inputValue()).toBe('How long are audit logs kept on the Business plan?')
    await page.getByRole('button', { name: 'Stop editing' }).click()
    await page.getByRole('button', { name: /^Ask again/ }).last().click()
    await chat.answered(3)
    await page.getByText('asked past the cache').waitFor()
    const events = await eventsOf(server.apiUrl, chat.sessionId)
    expect(events.filter(({ type, data }) => type === 'message_accepted' && data['fresh'] === true)).toHaveLength(1)
    await page.getByRole('button', { name: 'Copy message' }).first().click()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('How long are audit logs kept?')
    expect(problems).toEqual([])
  })

  it('filters the log, and shows a turn as a graph and over time', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await chat.ask('What does the Team plan cost, and how do I rotate an API key?')
    await chat.answered(1)
    await chat.steps.getByRole('button', { expanded: false }).first().waitFor()
    const all = await chat.steps.getByRole('button', { expanded: false }).count()
    await page.getByRole('combobox', { name: 'Type' }).selectOption('vector_search')
    await chat.steps.getByText('Query analysis').waitFor({ state: 'detached' })
    expect(await chat.steps.getByRole('button', { expanded: false }).count()).toBeLessThan(all)
    await page.getByRole('combobox', { name: 'Status' }).selectOption('error')
    await page.getByText('No step matches the filters.').waitFor()
    await page.getByRole('combobox', { name: 'Status' }).selectOption('all')
    await page.getByRole('combobox', { name: 'Type' }).selectOption('routing')
    await chat.steps.getByRole('button', { expanded: false }).first().click()
    await chat.steps.getByRole('button', { name: 'Show the runners-up' }).click()
    await chat.steps.getByRole('list', { name: 'Runners-up' }).getByRole('listitem').first().waitFor()
    await chat.steps.getByRole('button', { name: 'Show the turn as a whole' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'How the answer came about' })
    await dialog.locator('.react-flow__node').nth(3).waitFor()
    await documentPicture(page, 'console-turn-graph')
    await expectAccessible(page)
    await dialog.getByRole('tab', { name: 'Waterfall' }).click()
    expect(await dialog.getByRole('row').count()).toBeGreaterThan(3)
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(problems).toEqual([])
  })

  it('is followed by two tabs at once', async () => {
    const one = await open(browser, server.url)
    const chat = new ChatPage(one.page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    const other = await open(browser, one.page.url())
    const second = new ChatPage(other.page)
    await second.answered(1)
    await second.ask('How long are audit logs kept?')
    await Promise.all([second.answered(2), chat.answered(2)])
    expect(await chat.answers.allInnerTexts()).toEqual(await second.answers.allInnerTexts())
    expect([...one.problems, ...other.problems]).toEqual([])
  })

  it('says so where a session does not exist, and begins none', async () => {
    const { page } = await open(browser, `${server.url}/chat/01890000-0000-7000-8000-000000000000`, { allow: /404/ })
    await page.getByText('This session does not exist.').waitFor()
    expect((await fetch(`${server.apiUrl}/api/session/01890000-0000-7000-8000-000000000000`)).status).toBe(404)
    await page.getByRole('button', { name: 'New chat' }).last().click()
    await page.getByRole('list', { name: 'Questions to try' }).waitFor()
  })
})
