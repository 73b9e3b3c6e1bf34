import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { expect, onTestFailed } from 'vitest'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const IMAGES = join(import.meta.dirname, '../../docs/images')

export async function launchBrowser(more: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  })
}

/** A page, and all that went wrong on it without a test looking: errors, refused by policy, sent to strangers. */
export type Watched = { page: Page; context: BrowserContext; problems: string[] }

/** Opens `url` as a person would who has never been there. `allow` names what a test provokes on purpose. */
export async function open(
  browser: Browser,
  url: string,
  options: BrowserContextOptions & { allow?: RegExp } = {},
): Promise<Watched> {
  const { allow, ...contextOptions } = options
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', ...contextOptions })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const shots = process.env['E2E_SHOTS']
  if (shots !== undefined) {
    onTestFailed(async () => {
      if (!page.isClosed()) await page.screenshot({ path: join(shots, `failed-${Date.now()}.png`) })
    })
  }
  const problems: string[] = []
  const note = (text: string) => {
    if (!allow?.test(text)) problems.push(text)
  }
  page.on('pageerror', (error) => note(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') note(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    const host = new URL(request.url()).host
    if (!request.url().startsWith('data:') && !request.url().startsWith('blob:') && host !== new URL(url).host) {
      note(`a request to a stranger: ${request.url()}`)
    }
  })
  await page.goto(url)
  return { page, context, problems }
}

type AxeResult = { violations: { id: string; help: string; nodes: { target: string[]; failureSummary?: string }[] }[] }

/** WCAG 2.2 AA, as far as a machine can tell. It runs in an isolated world, so the policy of the page stands. */
export async function expectAccessible(page: Page): Promise<void> {
  const source = await import('node:fs/promises').then((fs) => fs.readFile(AXE, 'utf8'))
  const session = await page.context().newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' })
  const run = async (expression: string) =>
    session.send('Runtime.evaluate', {
      expression,
      contextId: executionContextId,
      awaitPromise: true,
      returnByValue: true,
    })
  await run(source)
  // What still fades in has not the colours that it will have. An animation without end (a spinner) is not waited for, and one
  // that is taken back while it is waited for has ended too.
  await run(
    'Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished))',
  )
  const { result, exceptionDetails } = await run(
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })" +
      '.then((r) => ({ violations: r.violations.map((v) => ({ id: v.id, help: v.help, nodes: v.nodes.map((n) => ({ target: n.target, failureSummary: n.failureSummary })) })) }))',
  )
  await session.detach()
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
  const { violations } = result.value as AxeResult
  expect(
    violations.map((violation) => `${violation.id}: ${violation.help}\n${violation.nodes.map((node) => `  ${node.target.join(' ')}\n    ${node.failureSummary ?? ''}`).join('\n')}`),
  ).toEqual([])
}

/** A picture for the documentation: made where UPDATE_SCREENSHOTS=1 is set, else only expected to be there. */
export async function documentPicture(page: Page, name: string): Promise<void> {
  const path = join(IMAGES, `${name}.png`)
  if (process.env['UPDATE_SCREENSHOTS'] === '1') {
    await mkdir(IMAGES, { recursive: true })
    await page.screenshot({ path, animations: 'disabled' })
    return
  }
  expect(existsSync(path), `docs/images/${name}.png is missing: UPDATE_SCREENSHOTS=1 makes it`).toBe(true)
}
