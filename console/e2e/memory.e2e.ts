import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible, launchBrowser, open } from './browser'
import { ChatPage } from './chat-page'
import { Remembering } from './remembering'

/** One that the technical agent is for. */
const QUESTION = 'How do I rotate an API key without downtime?'

describe('what is remembered', () => {
  let remembering: Remembering
  let browser: Browser
  beforeAll(async () => {
    ;[remembering, browser] = await Promise.all([Remembering.start(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await remembering.stop()
  })

  const known = async (user: string) => {
    const answer = await fetch(`${remembering.server.apiUrl}/api/users/${encodeURIComponent(user)}/memory`)
    return ((await answer.json()) as { facts: { text: string }[] }).facts.map((fact) => fact.text)
  }
  const showMemory = async (page: Page) => {
    await page.getByRole('button', { name: 'Session', exact: true }).click()
    await page.getByRole('menuitem', { name: 'What is remembered' }).click()
    return page.getByRole('dialog', { name: 'What is remembered' })
  }

  it('is shown when it is kept, and is erased one by one or all at once, after a question', async () => {
    const user = 'ada@example.com'
    const { page, problems } = await open(browser, `${remembering.server.url}/chat/${await remembering.sessionOf(user)}`)
    const chat = new ChatPage(page)
    for (const [count, fact] of [
      [1, 'I prefer bullet points.'],
      [2, 'I sign in with a passkey.'],
      [3, 'I read on a small screen.'],
    ] as const) {
      await chat.ask(`${fact} ${QUESTION}`)
      await chat.answered(count)
      await page.getByText(`Remembered of this person: “${fact}”`).first().waitFor()
    }
    const dialog = await showMemory(page)
    await dialog.getByText(user).waitFor()
    const facts = dialog.getByRole('list', { name: 'What is remembered' }).getByRole('listitem')
    await expect.poll(() => facts.count()).toBe(3)
    expect(await facts.first().textContent()).toContain('I read on a small screen.')
    expect(await facts.first().textContent()).toContain('Kept by technical')
    await expectAccessible(page)

    await dialog.getByRole('button', { name: 'Erase: I sign in with a passkey.' }).click()
    const one = page.getByRole('dialog', { name: 'Erase this?' })
    await one.getByText('I sign in with a passkey.').waitFor()
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    await one.waitFor({ state: 'detached' })
    expect(await facts.count()).toBe(3)
    await dialog.getByRole('button', { name: 'Erase: I sign in with a passkey.' }).click()
    await one.getByRole('button', { name: 'Erase' }).click()
    await one.waitFor({ state: 'detached' })
    await expect.poll(() => facts.count()).toBe(2)
    expect(await known(user)).toEqual(['I read on a small screen.', 'I prefer bullet points.'])

    await dialog.getByRole('button', { name: 'Erase all' }).click()
    const all = page.getByRole('dialog', { name: 'Erase all that is remembered?' })
    await all.getByText(/^2 facts are erased/).waitFor()
    await all.getByRole('button', { name: 'Cancel' }).click()
    expect(await facts.count()).toBe(2)
    await dialog.getByRole('button', { name: 'Erase all' }).click()
    await all.getByRole('button', { name: 'Erase all' }).click()
    await dialog.getByText('Nothing is remembered').waitFor()
    expect(await dialog.getByRole('button', { name: 'Erase all' }).count()).toBe(0)
    expect(await known(user)).toEqual([])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(problems).toEqual([])
  })

  it('is told in a later session, and seen by whoever looks after it', async () => {
    const user = 'bob'
    const first = await open(browser, `${remembering.server.url}/chat/${await remembering.sessionOf(user)}`)
    const chat = new ChatPage(first.page)
    await chat.ask(`I prefer bullet points. ${QUESTION}`)
    await chat.answered(1)
    await first.context.close()
    const later = await remembering.sessionOf(user)
    const { page, problems } = await open(browser, `${remembering.server.url}/chat/${later}`)
    const again = new ChatPage(page)
    await again.ask(QUESTION)
    await again.answered(1)
    await page.getByText('Told first 1 fact about this person').first().waitFor()
    await page.goto(`${remembering.server.url}/live/${later}`)
    await page.getByRole('button', { name: 'What is remembered' }).click()
    const dialog = page.getByRole('dialog', { name: 'What is remembered' })
    await dialog.getByText('I prefer bullet points.').waitFor()
    await dialog.getByRole('link', { name: 'The session' }).click()
    await page.getByRole('heading', { level: 1, name: /^I prefer bullet points\./ }).waitFor()
    expect(problems).toEqual([])
  })

  it('has no place where nobody knows whose session it is, and speaks German', async () => {
    const { page } = await open(browser, remembering.server.url)
    const chat = new ChatPage(page)
    await chat.ask(`I prefer bullet points. ${QUESTION}`)
    await chat.answered(1)
    await page.getByRole('button', { name: 'Session', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Rename' }).waitFor()
    expect(await page.getByRole('menuitem', { name: 'What is remembered' }).count()).toBe(0)
    expect(await page.getByText(/^Remembered of this person/).count()).toBe(0)

    const carol = `${remembering.server.url}/live/${await remembering.sessionOf('carol')}`
    const german = await open(browser, carol, { locale: 'de-DE', colorScheme: 'dark' })
    await german.page.getByRole('button', { name: 'Was gemerkt ist' }).click()
    const dialog = german.page.getByRole('dialog', { name: 'Was gemerkt ist' })
    await dialog.getByText('Nichts ist gemerkt').waitFor()
    await expectAccessible(german.page)
    expect(german.problems).toEqual([])
  })
})
