import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser, open } from './browser'
import { ChatPage } from './chat-page'
import { longPast, MadeUpSession } from './made-up-session'
import { Server } from './server'
import { Talkative, type Case } from './talkative'

const DELTAS_PER_SECOND = 200
const SECONDS = 5

/** Notes every frame from now on. */
async function watchFrames(page: Page): Promise<void> {
  await page.evaluate(() => {
    const frames: number[] = []
    Object.assign(window, { frames })
    let before = performance.now()
    const frame = (now: number) => {
      frames.push(now - before)
      before = now
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  })
}

async function framesOf(page: Page): Promise<{ median: number; p99: number }> {
  const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames)
  const sorted = frames.slice(5).sort((one, other) => one - other)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0
  return { median: at(0.5), p99: at(0.99) }
}

type TraceEvent = { name: string; pid: number; tid: number; ts: number; tdur?: number; args: { name?: string } }

/**
 * What the page's own thread did while `work` went on, each piece by the processor time that it took, in milliseconds: the time that
 * others take of a busy machine is not in it. The first is the longest.
 */
async function tasksDuring(page: Page, work: () => Promise<void>): Promise<number[]> {
  const browser = page.context().browser()
  if (!browser) throw new Error('the page is of a browser that was launched')
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] })
  await work()
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] }
  const isPage = new Set(traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(({ pid, tid }) => `${pid}:${tid}`))
  const tasks = traceEvents.filter(({ name, pid, tid }) => name === 'ThreadControllerImpl::RunTask' && isPage.has(`${pid}:${tid}`))
  expect(tasks.length).toBeGreaterThan(0)
  return tasks.map(({ tdur = Number.NaN }) => tdur / 1_000).sort((one, other) => other - one)
}

const isLong = (ms: number) => ms > 50

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

  /** How the machine is without us: where not even a page at rest is smooth, frames say nothing of the console. */
  async function isQuiet(page: Page): Promise<boolean> {
    await watchFrames(page)
    await page.waitForTimeout(1_500)
    const { p99 } = await framesOf(page)
    if (p99 >= 34) console.log(`the idle page's frames take up to ${p99.toFixed(0)} ms here: the length of frames is not judged`)
    return p99 < 34
  }

  // Made up: the embedded model has its answer at once, and the server joins what it has into one delta.
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

    /** Streams an answer for some seconds; gives the share of a core that the page took, its frames, and its long tasks. */
    async function stream(turnId: string) {
      session.ask(turnId, 'Tell me everything')
      await watchFrames(page)
      const [beganAt, before] = [Date.now(), await threadTime()]
      let sent = 0
      let offset = 0
      let text = ''
      const tasks = await tasksDuring(page, async () => {
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
      })
      const seconds = (Date.now() - beganAt) / 1_000
      const share = ((await threadTime()) - before) / seconds
      const { median, p99 } = await framesOf(page)
      console.log(`${sent} deltas in ${seconds.toFixed(1)} s: ${(share * 100).toFixed(0)} % of a core, frames median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; tasks over 50 ms: ${tasks.filter(isLong).length}, the longest ${(tasks[0] ?? 0).toFixed(0)} ms`)
      session.complete(turnId, text)
      return { share, median, long: tasks.filter(isLong).length }
    }

    const isJudged = await isQuiet(page)
    const tries: Awaited<ReturnType<typeof stream>>[] = []
    for (const [index, turnId] of ['t1', 't2', 't3'].entries()) {
      tries.push(await stream(turnId))
      await chat.answered(index + 2)
    }
    // The best of three: what others do on the machine makes a try worse, and none better.
    const best = (of: (one: (typeof tries)[number]) => number) => Math.min(...tries.map(of))
    // Less than a core in any case; on a machine at rest nothing that takes over 50 ms, and sixty frames a second.
    expect(best(({ share }) => share), JSON.stringify(tries)).toBeLessThan(0.95)
    expect(best(({ long }) => long), JSON.stringify(tries)).toBeLessThanOrEqual(isJudged ? 0 : 10)
    if (isJudged) expect(best(({ median }) => median)).toBeLessThan(17.5)
    expect(problems).toEqual([])
  }, 90_000)

  /** Scrolls from the end to the beginning, page by page, until `rows` rows are read. */
  async function readBack(page: Page, rows: number): Promise<void> {
    const scroller = page.getByRole('feed', { name: 'Conversation' })
    const beganAt = Date.now()
    const rowsRead = () => page.evaluate(() => document.querySelector('article')?.getAttribute('aria-setsize'))
    const tasks = await tasksDuring(page, async () => {
      while ((await rowsRead()) !== String(rows) && Date.now() - beganAt < 300_000) {
        await scroller.evaluate((element) => (element.scrollTop = 0))
        await page.waitForTimeout(10)
      }
    })
    expect(await page.getByRole('article').first().getAttribute('aria-setsize')).toBe(String(rows))
    expect(await page.getByRole('article').count()).toBeLessThan(60)
    const long = tasks.filter(isLong)
    console.log(`read ${rows} messages in ${Date.now() - beganAt} ms; of ${tasks.length} tasks over 50 ms: ${long.map((ms) => ms.toFixed(0)).join(', ')}; the longest ${(tasks[0] ?? 0).toFixed(0)} ms`)
    // One in a thousand. A machine that others use has its caches full of theirs, and the same work then takes twice the time.
    expect(long.length).toBeLessThanOrEqual(Math.ceil(tasks.length / 1_000))
  }

  it('takes 10,000 messages, read as one scrolls back', async () => {
    const talkative = await Talkative.start({ thanks: 'You are **welcome**. See [the guide](https://example.org/guide), or:\n\n- ask\n- read on' })
    try {
      const sessionId = crypto.randomUUID()
      await say(talkative.server, sessionId, Talkative.question('thanks'), 5_000)
      const { page, problems } = await open(browser, `${talkative.server.url}/chat/${sessionId}`)
      await page.getByText('You are welcome.').first().waitFor()
      expect(await page.getByRole('article').count()).toBeLessThan(60)
      await readBack(page, 10_000)
      // And a message at the end is there at once.
      const chat = new ChatPage(page)
      await chat.ask(Talkative.question('thanks'))
      await chat.answered(5_001)
      expect(problems).toEqual([])
    } finally {
      await talkative.stop()
    }
  }, 600_000)

  // Made up: a server needs an hour for as many steps.
  it('takes 100,000 steps, read as one scrolls back', async () => {
    const { page, problems } = await open(browser, server.url)
    const session = new MadeUpSession(longPast('01890000-0000-7000-8000-00000000feed', 5_000, 20))
    await session.install(page)
    await page.goto(`${server.url}/chat/${session.id}`)
    await page.getByText('Question 4999').first().waitFor()
    await readBack(page, 10_000)
    expect(problems).toEqual([])
  }, 400_000)

  it('comes to no harm by hostile answers', async () => {
    const answers = {
      thanks:
        '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"><svg onload="window.hacked=1"></svg>\n\n' +
        '[a](javascript:window.hacked=1) ![b](https://evil.example/x.png) <iframe src="https://evil.example"></iframe> <style>*{display:none}</style>',
      farewell: `\u202E${'evil '.repeat(20)}\u2066\u2067 and on`,
      about: `| ${'h | '.repeat(500)}\n| ${'- | '.repeat(500)}\n${`| ${'x | '.repeat(500)}\n`.repeat(200)}`,
      person: `${'>'.repeat(5_000)} deep\n\n${'- '.repeat(3_000)}list`,
      vague: 'W'.repeat(150_000),
      out_of_scope: `${'```js\n'.repeat(2_000)}\n\n${'[x]'.repeat(3_000)}${'('.repeat(3_000)}${'*'.repeat(3_000)}${'_'.repeat(3_000)}`,
      greeting: 'word '.repeat(40_000),
    } satisfies Record<Case, string>
    const talkative = await Talkative.start(answers)
    try {
      const { page, problems } = await open(browser, talkative.server.url)
      const chat = new ChatPage(page)
      for (const [index, of] of (Object.keys(answers) as Case[]).entries()) {
        await chat.ask(Talkative.question(of))
        // What is too much to be laid out is shown as it came, so that there may be no markdown to wait for.
        await page.locator(`article[aria-posinset="${2 * (index + 1)}"][aria-busy="false"]`).waitFor()
        const said = await page.locator(`article[aria-posinset="${2 * (index + 1)}"]`).innerText()
        expect(said.length, of).toBeGreaterThan(50)
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
    } finally {
      await talkative.stop()
    }
  }, 240_000)
})

/** Has a message answered `times` times in a session, some at once. */
async function say(server: Server, sessionId: string, message: string, times: number): Promise<void> {
  const body = JSON.stringify({ message, session_id: sessionId })
  let left = times
  const sayOn = async () => {
    while (left > 0) {
      left -= 1
      const response = await fetch(`${server.apiUrl}/api/chat`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
      await response.arrayBuffer()
    }
  }
  await Promise.all([sayOn(), sayOn(), sayOn(), sayOn()])
}
