import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser, open } from './browser'
import { ChatPage } from './chat-page'
import { longPast, MadeUpSession } from './made-up-session'
import { Server } from './server'

const DELTAS_PER_SECOND = 200
const SECONDS = 5

/** Notes every frame from now on, and what the browser itself calls a long one. */
async function watchFrames(page: Page): Promise<void> {
  await page.evaluate(() => {
    const watched = { frames: [] as number[], long: [] as number[] }
    Object.assign(window, { watched })
    new PerformanceObserver((list) => {
      // What scripts of the page cost; what the machine took for others is not in it.
      for (const entry of list.getEntries() as (PerformanceEntry & { scripts?: { duration: number }[] })[]) {
        watched.long.push((entry.scripts ?? []).reduce((sum, script) => sum + script.duration, 0))
      }
    }).observe({ type: 'long-animation-frame' })
    let before = performance.now()
    const frame = (now: number) => {
      watched.frames.push(now - before)
      before = now
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  })
}

async function framesOf(page: Page): Promise<{ median: number; p99: number; longScripts: number[] }> {
  const { frames, long } = await page.evaluate(() => (window as unknown as { watched: { frames: number[]; long: number[] } }).watched)
  const sorted = frames.slice(5).sort((one, other) => one - other)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0
  return { median: at(0.5), p99: at(0.99), longScripts: long.filter((duration) => duration > 50) }
}

/** Processor time of the page's own thread, in seconds: what others take of a busy machine is not in it. */
async function threadClock(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN
  }
}

describe('a chat under load', () => {
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
  })

  it('stays smooth while 200 deltas a second come in', async () => {
    const { page, problems } = await open(browser, server.url)
    const session = new MadeUpSession()
    await session.install(page)
    await page.goto(`${server.url}/chat/${session.id}`)
    const chat = new ChatPage(page)
    await chat.connected()
    session.ask('warm', 'Warm up')
    session.complete('warm', 'Once, **so that** the renderer is there.\n\n```js\nlet a = 1\n```')
    await chat.answered(1)
    const words = ['The ', 'quick ', '**brown** ', 'fox ', '`jumps` ', 'over ', 'the dog. ', '\n\n', '- one\n', '- two\n\n', '| a | b |\n| - | - |\n| 1 | 2 |\n\n']
    const threadTime = await threadClock(page)

    /** Streams an answer for some seconds; gives the share of a core that the page took, and the scripts that took too long. */
    async function stream(turnId: string): Promise<{ share: number; longScripts: number[] }> {
      session.ask(turnId, 'Tell me everything')
      await watchFrames(page)
      const [beganAt, before] = [Date.now(), await threadTime()]
      let sent = 0
      let offset = 0
      let text = ''
      while (sent < DELTAS_PER_SECOND * SECONDS) {
        const due = Math.floor(((Date.now() - beganAt) / 1_000) * DELTAS_PER_SECOND)
        for (; sent < due; sent += 1) {
          const delta = words[sent % words.length] ?? ''
          session.send({ type: 'message_delta', turnId, data: { messageId: `${turnId}-a`, offset, delta } })
          offset += Buffer.byteLength(delta)
          text += delta
        }
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      const seconds = (Date.now() - beganAt) / 1_000
      const share = ((await threadTime()) - before) / seconds
      const frames = await framesOf(page)
      console.log(`${sent} deltas in ${seconds.toFixed(1)} s: ${(share * 100).toFixed(0)} % of a core, frames median ${frames.median.toFixed(1)} ms, p99 ${frames.p99.toFixed(1)} ms, over 50 ms by scripts: ${frames.longScripts.length}`)
      session.complete(turnId, text)
      return { share, longScripts: frames.longScripts }
    }

    // How the machine is without us: where nothing at all is smooth, frames say nothing of the console.
    await watchFrames(page)
    await page.waitForTimeout(1_500)
    const idle = await framesOf(page)
    const isJudged = idle.p99 < 34
    if (!isJudged) console.log(`the idle page's frames take up to ${idle.p99.toFixed(0)} ms here: the length of frames is not judged`)
    const isSmooth = ({ share, longScripts }: { share: number; longScripts: number[] }) => share < 0.6 && (!isJudged || longScripts.length === 0)
    // The best of three: another process may take the machine for a moment, and the console does not get slower by it.
    const tries = []
    for (const [index, turnId] of ['t1', 't2', 't3'].entries()) {
      tries.push(await stream(turnId))
      await chat.answered(index + 2)
      if (tries.some(isSmooth)) break
    }
    expect(tries.some(isSmooth), JSON.stringify(tries)).toBe(true)
    expect(problems).toEqual([])
  }, 90_000)

  it('takes 10,000 messages and 100,000 steps, read as one scrolls back', async () => {
    const { page, problems } = await open(browser, server.url)
    const session = new MadeUpSession(longPast('01890000-0000-7000-8000-00000000feed', 5_000, 20))
    await session.install(page)
    await page.goto(`${server.url}/chat/${session.id}`)
    await page.getByText('Question 4999').first().waitFor()
    expect(await page.getByRole('article').count()).toBeLessThan(60)
    await watchFrames(page)
    // From the end to the beginning, page by page.
    const scroller = page.getByRole('feed', { name: 'Conversation' })
    const beganAt = Date.now()
    const rowsRead = () => page.evaluate(() => document.querySelector('article')?.getAttribute('aria-setsize'))
    while ((await rowsRead()) !== '10000' && Date.now() - beganAt < 300_000) {
      await scroller.evaluate((element) => (element.scrollTop = 0))
      await page.waitForTimeout(10)
    }
    expect(await page.getByRole('article').first().getAttribute('aria-setsize')).toBe('10000')
    expect(await page.getByRole('article').count()).toBeLessThan(60)
    const { longScripts } = await framesOf(page)
    console.log(`read 110,000 events in ${Date.now() - beganAt} ms; frames over 50 ms by scripts: ${longScripts.length}, the longest ${Math.max(0, ...longScripts).toFixed(0)} ms`)
    // And a message at the end is there at once.
    session.ask('new', 'The newest question')
    session.complete('new', 'The newest answer')
    await page.getByRole('button', { name: 'To the end' }).click()
    await page.getByText('The newest answer').first().waitFor()
    expect(problems).toEqual([])
  }, 400_000)

  it('comes to no harm by a hostile answer', async () => {
    const { page, problems } = await open(browser, server.url)
    const session = new MadeUpSession()
    await session.install(page)
    await page.goto(`${server.url}/chat/${session.id}`)
    const chat = new ChatPage(page)
    await chat.connected()
    const answers = [
      '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"><svg onload="window.hacked=1"></svg>',
      '[a](javascript:window.hacked=1) ![b](https://evil.example/x.png) <iframe src="https://evil.example"></iframe> <style>*{display:none}</style>',
      `\u202E${'evil '.repeat(20)}\u2066\u2067 and on`,
      `| ${'h | '.repeat(500)}\n| ${'- | '.repeat(500)}\n${`| ${'x | '.repeat(500)}\n`.repeat(200)}`,
      `${'>'.repeat(5_000)} deep`,
      `${'- '.repeat(3_000)}list`,
      'word '.repeat(200_000),
      'W'.repeat(1_000_000),
      '```js\n'.repeat(2_000),
      '[x]'.repeat(3_000) + '('.repeat(3_000) + '*'.repeat(3_000) + '_'.repeat(3_000),
    ]
    for (const [index, answer] of answers.entries()) {
      session.ask(`h${index}`, `Hostile ${index}`)
      session.complete(`h${index}`, answer)
      // What is too much to be laid out is shown as it came, so that there may be no markdown to wait for.
      await page.locator(`article[aria-posinset="${2 * (index + 1)}"][aria-busy="false"]`).waitFor()
      // The page still listens.
      await chat.composer.fill(`still here ${index}`)
      expect(await chat.composer.inputValue()).toBe(`still here ${index}`)
      expect(await page.evaluate(() => document.querySelectorAll('*').length)).toBeLessThan(6_000)
    }
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
    expect(await page.locator('#main :is(script, iframe, img, style, svg[onload])').count()).toBe(0)
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true)
    // An override ends with its block: the words of the console still run from left to right.
    const wide = await page.evaluate(() => [...document.querySelectorAll('.markdown-block')].every((one) => getComputedStyle(one).unicodeBidi === 'isolate'))
    expect(wide).toBe(true)
    expect(problems).toEqual([])
  }, 180_000)
})
