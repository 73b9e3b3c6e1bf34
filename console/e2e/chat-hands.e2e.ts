import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { documentPicture, expectAccessible, launchBrowser, open } from './browser'
import { ChatPage } from './chat-page'
import { Server } from './server'

const QUESTION = 'How do I rotate my API key?'

describe('the chat in other hands', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('is three tabs on a phone, which can be swiped', async () => {
    const { page, problems } = await open(browser, server.url, { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true })
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    await expectAccessible(page)
    await documentPicture(page, 'console-chat-phone')
    const wide = await page.evaluate(() =>
      [...document.querySelectorAll('header, nav, main, #root > *')].filter((one) => one.getBoundingClientRect().right > 391).map((one) => one.outerHTML.slice(0, 200)),
    )
    expect(wide).toEqual([])
    expect(await page.evaluate(() => window.innerWidth)).toBe(390)
    await page.getByRole('tab', { name: 'Retrieval log' }).tap()
    await chat.steps.getByText('Vector search').first().waitFor()
    await expectAccessible(page)
    // A finger drags the page from the log back to the conversation.
    const session = await page.context().newCDPSession(page)
    const finger = (type: 'touchStart' | 'touchMove' | 'touchEnd', x?: number) =>
      session.send('Input.dispatchTouchEvent', { type, touchPoints: x === undefined ? [] : [{ x, y: 500 }] })
    await finger('touchStart', 40)
    for (let x = 50; x <= 370; x += 20) {
      await finger('touchMove', x)
      await page.waitForTimeout(16)
    }
    await finger('touchEnd')
    await page.getByRole('tab', { name: 'Conversation', selected: true }).waitFor()
    await page.getByRole('tab', { name: 'Agents' }).tap()
    await page.getByRole('list', { name: 'Agents' }).getByText('Technical').waitFor()
    await expectAccessible(page)
    expect(problems).toEqual([])
  })

  it('needs no mouse', async () => {
    const { page, problems } = await open(browser, server.url)
    const chat = new ChatPage(page)
    await chat.composer.waitFor()
    // The field has the focus from the start.
    await page.waitForFunction(() => document.activeElement?.id === 'composer')
    await page.keyboard.type(QUESTION)
    await page.keyboard.press('Enter')
    await chat.answered(1)
    await page.keyboard.press('Tab')
    await page.evaluate(() => (document.activeElement as HTMLElement).blur())
    await page.keyboard.press('?')
    const help = page.getByRole('dialog', { name: 'Keyboard' })
    await help.getByText('Retrieval log').first().waitFor()
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    await help.waitFor({ state: 'detached' })
    await page.keyboard.press(']')
    await page.getByRole('complementary', { name: 'Retrieval log' }).waitFor({ state: 'detached' })
    await page.keyboard.press(']')
    await page.keyboard.press('[')
    await page.getByRole('complementary', { name: 'Agents and sessions' }).waitFor({ state: 'detached' })
    await page.reload()
    await chat.answered(1)
    expect(await page.getByRole('complementary', { name: 'Agents and sessions' }).count()).toBe(0)
    await page.evaluate(() => (document.activeElement as HTMLElement).blur())
    await page.keyboard.press('[')
    const edge = page.getByRole('separator', { name: 'Width of agents and sessions' })
    await edge.focus()
    const before = Number(await edge.getAttribute('aria-valuenow'))
    await page.keyboard.press('ArrowRight')
    expect(Number(await edge.getAttribute('aria-valuenow'))).toBe(before + 16)
    await page.keyboard.press('g')
    await page.keyboard.press('k')
    await page.waitForURL('**/knowledge')
    await page.keyboard.press('g')
    await page.keyboard.press('c')
    await page.waitForURL((address) => address.pathname === '/')
    expect(problems).toEqual([])
  })

  it('moves nothing where less motion is asked for', async () => {
    const { page } = await open(browser, server.url, { reducedMotion: 'reduce' })
    const chat = new ChatPage(page)
    await chat.ask(QUESTION)
    await chat.answered(1)
    await page.getByRole('button', { name: 'Settings' }).click()
    const longest = await page.evaluate(() =>
      Math.max(0, ...document.getAnimations().map((animation) => Number(animation.effect?.getComputedTiming().duration ?? 0))),
    )
    expect(longest).toBeLessThan(1)
  })
})
