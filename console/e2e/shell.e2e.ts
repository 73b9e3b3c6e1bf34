import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible, launchBrowser, open } from './browser'
import { Server } from './server'

const PAGES = ['/', '/overview', '/live', '/knowledge', '/agents']

describe('the shell', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('leads to every section by its navigation, and announces each', async () => {
    const { page, problems } = await open(browser, server.url)
    await page.getByRole('status', { name: 'Connection' }).getByText('Connected').waitFor()
    for (const name of ['Overview', 'Live sessions', 'Knowledge', 'Agents', 'Chat']) {
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click()
      await page.getByRole('status').filter({ hasText: new RegExp(`^${name}$`) }).waitFor({ state: 'attached' })
      expect(await page.title()).toBe(`${name} · OrchestratAI`)
      expect(await page.evaluate(() => document.getElementById('main')?.contains(document.activeElement))).toBe(true)
    }
    expect(problems).toEqual([])
  })

  it.each(['light', 'dark'] as const)('is accessible on every page in %s', async (colorScheme) => {
    const { page, problems } = await open(browser, server.url, { colorScheme })
    for (const path of PAGES) {
      await page.goto(server.url + path)
      await page.getByRole('navigation', { name: 'Main' }).waitFor()
      await page.locator('#main h1').waitFor()
      await expectAccessible(page)
    }
    expect(problems).toEqual([])
  })

  it('speaks German, and keeps theme and language over a reload', async () => {
    const { page, problems } = await open(browser, server.url)
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('menuitemradio', { name: 'Dark' }).click()
    await page.getByRole('menuitemradio', { name: 'Deutsch' }).click()
    await page.getByRole('menuitemradio', { name: 'Dunkel' }).waitFor()
    await page.reload()
    await page.getByRole('link', { name: 'Übersicht' }).waitFor()
    expect(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dataset['theme']])).toEqual(['de', 'dark'])
    expect(problems).toEqual([])
  })

  it('shows its first words in the chosen looks before any other file has come', async () => {
    const { page, context } = await open(browser, `${server.url}/agents`)
    await page.evaluate(() => localStorage.setItem('orchestratai.preferences', '{"theme":"dark","language":"de"}'))
    // From here on the page is all that the server sends.
    await context.route(/./, (route) => (route.request().resourceType() === 'document' ? route.continue() : new Promise(() => undefined)))
    await page.goto(server.url, { waitUntil: 'commit' })
    const words = page.getByText('Was möchten Sie wissen?')
    await words.waitFor()
    expect(await page.getByText('What would you like to know?').isVisible()).toBe(false)
    expect(await words.evaluate((element) => getComputedStyle(element).fontSize)).toBe('26px')
    const lightness = await page.evaluate(() => /oklch\(([\d.]+)/.exec(getComputedStyle(document.documentElement).backgroundColor)?.[1])
    expect(Number(lightness)).toBeLessThan(0.3)
    expect(await page.locator('.boot img').evaluate((element: HTMLImageElement) => element.decode().then(() => element.naturalWidth))).toBeGreaterThan(0)
    await context.close()
  })

  it('lets a keyboard skip the navigation', async () => {
    // Not the chat, whose first page has the cursor in its question already.
    const { page } = await open(browser, `${server.url}/agents`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main')
  })
})

describe('a server with a token', () => {
  it('is asked for it once, and only for this tab', async () => {
    const token = 'a-token-of-a-test-with-more-than-32-characters'
    const [server, browser] = await Promise.all([Server.start({ settings: { 'auth.token': token } }), launchBrowser()])
    try {
      const { page } = await open(browser, server.url, { allow: /401/ })
      const prompt = page.getByRole('dialog', { name: 'Access token' })
      await prompt.waitFor()
      await prompt.getByLabel('Token', { exact: true }).fill('too short')
      await prompt.getByRole('button', { name: 'Continue' }).click()
      await prompt.getByRole('alert').waitFor()
      await prompt.getByLabel('Token', { exact: true }).fill(token)
      await prompt.getByRole('button', { name: 'Continue' }).click()
      await prompt.waitFor({ state: 'hidden' })
      await page.reload()
      await page.getByRole('navigation', { name: 'Main' }).waitFor()
      expect(await page.evaluate(() => [sessionStorage.length, Object.values(localStorage).join().includes('a-token')])).toEqual([1, false])
    } finally {
      await browser.close()
      await server.stop()
    }
  })
})
