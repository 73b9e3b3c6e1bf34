import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Acting, FOR_A_PERSON } from './acting'
import { expectAccessible, launchBrowser, open } from './browser'
import { ChatPage } from './chat-page'

/** One that the technical agent is for. */
const QUESTION = 'How do I rotate an API key without downtime?'

describe('approvals', () => {
  let acting: Acting
  let browser: Browser
  beforeAll(async () => {
    ;[acting, browser] = await Promise.all([Acting.start(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await acting.stop()
  })

  it('asks a person, who allows it with other arguments', async () => {
    const { page, problems } = await open(browser, acting.server.url)
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    const card = page.getByRole('region', { name: 'Decision wanted' })
    await card.getByText('Wants to use shop_refund').waitFor()
    expect(acting.paid).toEqual([])
    await expectAccessible(page)
    // It waits for a person, and not for the page.
    await page.reload()
    await card.getByText('"eur": 50').waitFor()
    await card.getByRole('button', { name: 'Change' }).click()
    const change = card.getByRole('textbox', { name: 'Arguments' })
    await change.fill('not at all')
    await card.getByText('This is no JSON object.').waitFor()
    expect(await card.getByRole('button', { name: 'Allow' }).isDisabled()).toBe(true)
    await change.fill('{"body": {"eur": 20}}')
    await card.getByRole('textbox', { name: 'Reason' }).fill('20 are enough')
    await card.getByRole('button', { name: 'Allow' }).click()
    await chat.answered(1)
    expect(acting.paid).toEqual([20])
    await chat.answers.last().getByText('The shop says: {"paid":20}').waitFor()
    await card.getByText('20 are enough').waitFor()
    expect(await card.getByText('"eur": 20').count()).toBe(1)
    expect(problems).toEqual([])
  })

  it('does nothing that a person refuses, and says why to the model', async () => {
    acting.paid.length = 0
    const { page, problems } = await open(browser, acting.server.url)
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    const card = page.getByRole('region', { name: 'Decision wanted' })
    await card.getByRole('textbox', { name: 'Reason' }).fill('not ours to pay')
    await card.getByRole('button', { name: 'Refuse' }).click()
    await chat.answered(1)
    await chat.answers.last().getByText(/^The shop says: This was not approved: not ours to pay/).waitFor()
    expect(acting.paid).toEqual([])
    expect(problems).toEqual([])
  })

  it('shows those who look after sessions that an agent asks for a person, until one comes', async () => {
    const { page } = await open(browser, acting.server.url)
    const chat = new ChatPage(page)
    await chat.ask(`${QUESTION} It is in an ${FOR_A_PERSON}.`)
    await chat.answered(1)
    await page.close()
    const { page: live, problems } = await open(browser, `${acting.server.url}/live`)
    const row = live.getByRole('listitem').filter({ hasText: 'Person wanted' })
    await row.getByText(/^Technical asks for a person, for .+: Nobody but you may do that\.$/).waitFor()
    await expectAccessible(live)
    await row.getByRole('link').click()
    const asked = live.getByText(/asks for a person, for .+: Nobody but you may do that\.$/)
    await asked.waitFor()
    await live.getByRole('button', { name: 'Take over' }).click()
    const dialog = live.getByRole('dialog', { name: 'Take the session over' })
    await dialog.getByRole('textbox', { name: 'Your name' }).fill('Kim')
    await dialog.getByRole('button', { name: 'Take over' }).click()
    await asked.waitFor({ state: 'detached' })
    expect(problems).toEqual([])
  })
})
