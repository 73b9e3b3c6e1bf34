import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { documentPicture, expectAccessible, launchBrowser, open } from './browser'
import { Server } from './server'

const QUESTION = 'Can I get a refund for the annual plan?'

describe('the agents', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start(), launchBrowser()])
    const body = JSON.stringify({ message: QUESTION, session_id: crypto.randomUUID() })
    await fetch(`${server.apiUrl}/api/chat`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('are listed, and each leads to its history and from there to the session', async () => {
    const { page, problems } = await open(browser, `${server.url}/agents`)
    await page.getByRole('heading', { level: 2 }).nth(3).waitFor()
    expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toEqual(['Orchestrator', 'Billing', 'Technical', 'Policy'])
    await page.getByRole('link', { name: 'Billing' }).click()
    await page.getByRole('heading', { level: 1, name: 'Billing' }).waitFor()
    const turn = page.getByRole('row').filter({ hasText: QUESTION })
    await turn.getByText('Answered').waitFor()
    await turn.getByText('Miss').waitFor()
    await turn.getByRole('link', { name: QUESTION }).click()
    await page.waitForURL(/\/chat\//)
    expect(problems).toEqual([])
  })

  it('show their settings as they are served', async () => {
    const { page, problems } = await open(browser, `${server.url}/agents/technical?view=settings`)
    await page.getByText('For questions of several parts').waitFor()
    await page.getByText('You are the technical specialist').waitFor()
    await page.getByText('Question about the product · ', { exact: false }).first().click()
    await page.getByRole('tab', { name: 'History' }).click()
    await page.getByText('It has answered nothing yet').waitFor()
    await page.goBack()
    expect(problems).toEqual([])
  })

  it('answer as served and as a draft, side by side, and nothing of it is kept', async () => {
    const { page, problems } = await open(browser, `${server.url}/agents/billing?view=playground`)
    await page.getByRole('checkbox', { name: 'policy' }).check()
    await page.getByRole('checkbox', { name: 'billing' }).uncheck()
    expect(await page.getByRole('region', { name: 'Draft' }).getByText('Changed').count()).toBe(1)
    await page.getByRole('textbox', { name: 'Message' }).fill(QUESTION)
    await page.keyboard.press('Enter')
    await page.getByText('The answers differ.').waitFor()
    const served = page.getByRole('region', { name: 'As served' })
    const draft = page.getByRole('region', { name: 'Draft', exact: true }).last()
    expect(await served.locator('del').count()).toBeGreaterThan(0)
    expect(await draft.locator('ins').count()).toBeGreaterThan(0)
    await draft.getByText('refund-policy.md').first().waitFor()
    await draft.getByText('Only here').first().waitFor()
    await documentPicture(page, 'console-playground')
    await page.getByRole('switch', { name: 'Mark differences' }).click()
    expect(await page.locator('ins, del').count()).toBe(0)
    const { turns } = (await fetch(`${server.apiUrl}/api/agents/billing/turns`).then((response) => response.json())) as { turns: unknown[] }
    expect(turns.length).toBe(1)
    expect(problems).toEqual([])
  })

  it('say what is wrong with a draft', async () => {
    const { page, problems } = await open(browser, `${server.url}/agents/billing?view=playground`)
    await page.getByRole('textbox', { name: 'Model' }).fill('a-model-of-nobody')
    await page.getByRole('textbox', { name: 'Message' }).fill(QUESTION)
    await page.getByRole('button', { name: 'Ask both' }).click()
    await page.getByRole('region', { name: 'Draft', exact: true }).last().getByText('`model` must be').waitFor()
    await page.getByRole('button', { name: 'Reset' }).click()
    expect(await page.getByRole('textbox', { name: 'Model' }).inputValue()).toBe('embedded-extractive')
    expect(problems).toEqual([])
  })

  it.each(['light', 'dark'] as const)('are accessible in %s, wide and on a phone', async (colorScheme) => {
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
      const { page, context, problems } = await open(browser, `${server.url}/agents`, { colorScheme, viewport })
      await page.getByRole('link', { name: 'Policy' }).waitFor()
      await expectAccessible(page)
      for (const view of ['history', 'settings', 'playground']) {
        await page.goto(`${server.url}/agents/billing?view=${view}`)
        await page.getByRole('tab', { selected: true, name: new RegExp(view, 'i') }).waitFor()
        await page.getByRole('tabpanel').getByText(/Turns|Prompt/).first().waitFor()
        await expectAccessible(page)
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true)
      }
      await page.getByRole('textbox', { name: 'Message' }).fill(QUESTION)
      await page.getByRole('button', { name: 'Ask', exact: true }).click()
      await page.getByRole('region', { name: 'As served' }).waitFor()
      await expectAccessible(page)
      expect(problems).toEqual([])
      await context.close()
    }
  }, 240_000)
})
