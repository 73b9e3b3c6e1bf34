import { readFile } from 'node:fs/promises'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible, launchBrowser, open } from './browser'
import { ChatPage } from './chat-page'
import { Server } from './server'

const QUESTION = 'How do I rotate my API key?'

describe('sessions', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('are listed, found, named, exported and deleted', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    const list = page.getByRole('region', { name: 'Sessions' })
    await list.getByRole('link', { name: QUESTION }).waitFor()
    await page.getByRole('button', { name: 'New chat' }).first().click()
    await chat.ask('How long are audit logs kept?')
    await chat.answered(1)
    await list.getByRole('link', { name: 'How long are audit logs kept?' }).waitFor()
    expect(await list.getByRole('link').count()).toBe(2)

    await list.getByRole('searchbox').fill('ROTATE')
    await list.getByRole('link', { name: 'How long are audit logs kept?' }).waitFor({ state: 'detached' })
    await list.getByRole('link', { name: QUESTION }).click()
    await page.getByRole('heading', { level: 1, name: QUESTION }).waitFor()
    await chat.answered(1)
    await list.getByRole('searchbox').fill('')

    await page.getByRole('button', { name: 'Session', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Rename' }).click()
    const rename = page.getByRole('dialog', { name: 'Rename' })
    await rename.getByLabel('Title').fill('Keys')
    await expectAccessible(page)
    await rename.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { level: 1, name: 'Keys' }).waitFor()
    await list.getByRole('link', { name: /^Keys/ }).waitFor()

    for (const [item, holds] of [
      ['Export as Markdown', QUESTION],
      ['Export as JSON', '"content"'],
    ] as const) {
      const downloading = page.waitForEvent('download')
      await page.getByRole('button', { name: 'Session', exact: true }).click()
      await page.getByRole('menuitem', { name: item }).click()
      const file = await (await downloading).path()
      expect(await readFile(file, 'utf8')).toContain(holds)
    }

    const { sessionId } = chat
    await page.getByRole('button', { name: 'Session', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    const confirm = page.getByRole('dialog', { name: 'Delete this session?' })
    await confirm.getByRole('button', { name: 'Cancel' }).click()
    await confirm.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Session', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await confirm.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('list', { name: 'Questions to try' }).waitFor()
    await list.getByRole('link', { name: /^Keys/ }).waitFor({ state: 'detached' })
    expect((await fetch(`${server.apiUrl}/api/session/${sessionId}`)).status).toBe(404)
    expect(problems).toEqual([])
  })

  it('keep what was thought of an answer', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    await page.getByRole('button', { name: 'Bad answer' }).click()
    const dialog = page.getByRole('dialog', { name: 'What was wrong?' })
    await dialog.getByLabel('Reason').fill('It leaves out the command line.')
    await dialog.getByRole('button', { name: 'Send' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.reload()
    await page.getByRole('button', { name: 'Bad answer', pressed: true }).waitFor()
    const given = (await (await fetch(`${server.apiUrl}/api/session/${chat.sessionId}/feedback`)).json()) as { feedback: object[] }
    expect(given.feedback).toMatchObject([{ rating: 'down', reason: 'It leaves out the command line.' }])
    await page.getByRole('button', { name: 'Bad answer' }).click()
    await page.getByRole('button', { name: 'Bad answer', pressed: false }).waitFor()
    await page.getByRole('button', { name: 'Good answer' }).click()
    await page.getByRole('button', { name: 'Good answer', pressed: true }).waitFor()
    await page.getByText('Thank you.').waitFor()
    expect(problems).toEqual([])
  })

  it('have one name, and one opinion of an answer, for two who have them open', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    const other = await open(browser, page.url())
    await other.page.getByRole('button', { name: 'Good answer', pressed: false }).waitFor()
    await page.getByRole('button', { name: 'Good answer' }).click()
    await page.getByRole('button', { name: 'Session', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Rename' }).click()
    const rename = page.getByRole('dialog', { name: 'Rename' })
    await rename.getByLabel('Title').fill('A name for both')
    await rename.getByRole('button', { name: 'Save' }).click()
    await other.page.getByRole('button', { name: 'Good answer', pressed: true }).waitFor({ timeout: 15_000 })
    await other.page.getByRole('heading', { level: 1, name: 'A name for both' }).waitFor({ timeout: 15_000 })
    expect([...problems, ...other.problems]).toEqual([])
  })

  it('open what an answer stands on, at the passage', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    await chat.answers.getByRole('button', { name: /Source 1/ }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('rotating-api-keys.md').waitFor()
    await dialog.locator('mark').waitFor()
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await chat.steps.getByText(/^Found/).click()
    await chat.steps.getByRole('list', { name: 'Chunks' }).getByRole('button').first().click()
    await dialog.locator('mark').waitFor()
    expect(problems).toEqual([])
  })
})
