import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { documentPicture, expectAccessible, launchBrowser, open } from './browser'
import { Server } from './server'

/** Asks questions as a client does that knows only REST, and returns how many were answered. */
async function ask(server: Server, questions: string[]): Promise<number> {
  let answered = 0
  for (const message of questions) {
    const response = await fetch(`${server.apiUrl}/api/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message, session_id: crypto.randomUUID() }),
    })
    if (response.ok) answered += 1
  }
  return answered
}

const figure = (page: Page, name: string) =>
  page.getByRole('region', { name: 'The last minute' }).locator('dl > div').filter({ has: page.getByText(name, { exact: true }) })

describe('the overview', { timeout: 120_000 }, () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([
      Server.start({ settings: { 'console.grafana_url': 'http://grafana.example:3001' } }),
      launchBrowser(),
    ])
    expect(await ask(server, ['How do I pay?', 'What is an API key?', 'How do I pay?'])).toBe(3)
  })
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close()
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('shows what was asked just now, and says what is not known', async () => {
    const { page, problems } = await open(browser, `${server.url}/overview`)
    await figure(page, 'Turns').getByText(/\/(min|s)$/).waitFor()
    await figure(page, 'Failed turns').getByText('0%').waitFor()
    await figure(page, 'Latency, median').getByText(/^[\d.,]+\sm?s$/).waitFor()
    // The embedded model costs nothing, and says so: that is known, and is 0.
    await figure(page, 'Tokens').getByText('0/s').waitFor()
    // Who was not asked has no latency, and that is not 0.
    await page.getByRole('row', { name: /Policy/ }).getByText('no data').first().waitFor()
    const turns = page.getByRole('row', { name: /Billing/ }).getByRole('cell').nth(2)
    expect(Number(await turns.textContent())).toBeGreaterThan(0)
    expect(problems).toEqual([])
  })

  it('comes up to date by itself', async () => {
    const { page } = await open(browser, `${server.url}/overview?window=15m`)
    const total = page.getByText('Turns', { exact: true }).last().locator('xpath=following-sibling::dd')
    await total.waitFor()
    const before = Number(await total.textContent())
    expect(await ask(server, ['Where is the status page?'])).toBe(1)
    await expect.poll(async () => Number(await total.textContent()), { timeout: 20_000 }).toBe(before + 1)
  })

  it('asks nothing while nobody can see it', async () => {
    const { page } = await open(browser, `${server.url}/overview`)
    await page.getByRole('region', { name: 'The last minute' }).waitFor()
    await page.evaluate(() => {
      Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    })
    let asked = 0
    page.on('request', (request) => {
      if (request.url().includes('/api/overview')) asked += 1
    })
    await page.waitForTimeout(11_000)
    expect(asked).toBe(0)
    await page.evaluate(() => {
      Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    })
    await expect.poll(() => asked, { timeout: 10_000 }).toBeGreaterThan(0)
  })

  it('reads plots by keyboard, draws them anew in another theme, and says them as tables', async () => {
    const { page, problems } = await open(browser, `${server.url}/overview?window=15m`, { colorScheme: 'light' })
    const card = page.getByRole('region', { name: 'Sessions and connections' })
    const cursor = card.getByRole('slider', { name: 'Sessions and connections: values over time' })
    await cursor.waitFor()
    await cursor.focus()
    await page.keyboard.press('Home')
    const first = await cursor.getAttribute('aria-valuetext')
    expect(first).toMatch(/^\d\d:\d\d:\d\d\b.*, Sessions \d+, Connections \d+$/)
    const time = first?.split(',')[0] ?? ''
    await card.getByText(time, { exact: true }).waitFor()
    await page.keyboard.press('Escape')
    await card.getByText(time, { exact: true }).waitFor({ state: 'hidden' })

    const pixels = () =>
      card.locator('canvas').evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL())
    const light = await pixels()
    await page.emulateMedia({ colorScheme: 'dark' })
    await expect.poll(pixels).not.toBe(light)

    await card.getByRole('button', { name: /show as a table/ }).click()
    const rows = card.getByRole('table').getByRole('row')
    expect(await rows.count()).toBeGreaterThan(1)
    await rows.last().getByText(time).waitFor()
    expect(problems).toEqual([])
  })

  it('keeps the window in the address, and leads into Grafana with it', async () => {
    const { page, problems } = await open(browser, `${server.url}/overview`)
    await page.getByRole('link', { name: '6 h' }).click()
    await page.waitForURL(/window=6h/)
    await page.reload()
    expect(await page.getByRole('link', { name: '6 h' }).getAttribute('aria-current')).toBe('page')
    const link = page.getByRole('link', { name: 'Open in Grafana', exact: true })
    expect(await link.getAttribute('href')).toBe('http://grafana.example:3001/d/orchestratai-overview?from=now-6h&to=now')
    expect(problems).toEqual([])
  })

  it.each(['light', 'dark'] as const)('is accessible in %s', async (colorScheme) => {
    const { page, problems } = await open(browser, `${server.url}/overview?window=15m`, { colorScheme })
    await page.getByRole('slider').first().waitFor()
    await page.getByRole('table', { name: 'Agents' }).waitFor()
    await expectAccessible(page)
    if (colorScheme === 'light') await documentPicture(page, 'console-overview')
    await page.getByRole('button', { name: /show as a table/ }).first().click()
    await expectAccessible(page)
    expect(problems).toEqual([])
  })

  it('fits a phone, and says when the server is away', async () => {
    const allow = /Failed to load resource/
    const { page, problems } = await open(browser, `${server.url}/overview`, { viewport: { width: 360, height: 740 }, allow })
    await page.getByRole('region', { name: 'The last minute' }).waitFor()
    const tooWide = await page.evaluate(() => {
      const page = document.querySelector('#main > div')
      return page !== null && page.scrollWidth > page.clientWidth
    })
    expect(tooWide).toBe(false)
    await server.kill()
    await page.getByText(/^These figures are of \d\d:\d\d:\d\d/).waitFor({ timeout: 30_000 })
    await server.restart()
    await page.getByText(/^These figures are of/).waitFor({ state: 'hidden', timeout: 30_000 })
    expect(problems).toEqual([])
  })
})
