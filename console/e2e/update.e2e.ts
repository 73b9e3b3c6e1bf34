import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchBrowser, open } from './browser'
import { ChatPage } from './chat-page'
import { Server } from './server'

const DIST = join(import.meta.dirname, '../dist')

/** A folder with the console in it, which can be changed under a server that serves it. */
class Build {
  private constructor(readonly folder: string) {}

  static async copy(): Promise<Build> {
    const folder = await mkdtemp(join(tmpdir(), 'orchestratai-build-'))
    await cp(DIST, folder, { recursive: true })
    return new Build(folder)
  }

  /** Gives every hashed file another name, as the next version does, wherever it is named. */
  async becomeNext(): Promise<void> {
    const assets = join(this.folder, 'assets')
    await this.remove(/\.(br|gz)$/)
    const names = await readdir(assets)
    const texts = [join(this.folder, 'index.html'), ...names.filter((name) => /\.(js|css)$/.test(name)).map((name) => join(assets, name))]
    // The longest first: one name may be the end of another.
    const longestFirst = [...names].sort((one, other) => other.length - one.length)
    for (const path of texts) {
      const named = longestFirst.reduce((text, name) => text.replaceAll(new RegExp(`(?<=["'/(])${name.replaceAll('.', '\\.')}`, 'g'), `next-${name}`), await readFile(path, 'utf8'))
      await writeFile(path, named)
    }
    for (const name of names) await rename(join(assets, name), join(assets, `next-${name}`))
  }

  async remove(pattern: RegExp): Promise<void> {
    for (const path of await readdir(this.folder, { recursive: true })) {
      if (pattern.test(basename(path))) await rm(join(this.folder, path))
    }
  }

  async putBack(): Promise<void> {
    await cp(DIST, this.folder, { recursive: true })
  }

  async stop(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Counts how often the page is loaded from now on. */
function loads(page: Page): { count: number } {
  const counted = { count: 0 }
  page.on('domcontentloaded', () => (counted.count += 1))
  return counted
}

describe('a console that is updated while it is open', () => {
  let browser: Browser
  let build: Build
  let server: Server
  beforeAll(async () => {
    browser = await launchBrowser()
  })
  beforeEach(async () => {
    build = await Build.copy()
    server = await Server.start({ settings: { 'console.dir': build.folder } })
  })
  afterEach(async () => {
    await server.stop()
    await build.stop()
  })
  afterAll(async () => {
    await browser.close()
  })

  const allow = /404|dynamically imported|MissingPart/

  it('loads itself anew, once, and keeps what was not sent', async () => {
    const { page, problems } = await open(browser, server.url, { allow })
    const { composer } = new ChatPage(page)
    await composer.fill('Half a question')
    const loaded = loads(page)
    await build.becomeNext()
    await page.getByRole('link', { name: 'Agents' }).click()
    await page.getByRole('heading', { level: 1, name: 'Agents' }).waitFor()
    expect(loaded.count).toBe(1)
    await page.getByRole('link', { name: 'Chat' }).click()
    expect(await composer.inputValue()).toBe('Half a question')
    expect(problems).toEqual([])
  })

  it('does not load itself for ever where a part stays away', async () => {
    const { page } = await open(browser, server.url, { allow })
    await new ChatPage(page).composer.waitFor()
    const loaded = loads(page)
    await build.remove(/^agents-page-.*\.js/)
    await page.getByRole('link', { name: 'Agents' }).click()
    await page.getByText('There is a newer version of the console.').waitFor()
    expect(loaded.count).toBe(1)
    // The rest of the console works, and so does the part once it is there.
    await build.putBack()
    await page.getByRole('button', { name: 'Load anew' }).click()
    await page.getByRole('heading', { level: 1, name: 'Agents' }).waitFor()
  })

  it('does not give up the page while the server is away', async () => {
    const { page, context } = await open(browser, server.url, { allow: /dynamically imported|MissingPart|ERR_/ })
    await new ChatPage(page).composer.waitFor()
    const loaded = loads(page)
    await context.setOffline(true)
    await page.getByRole('link', { name: 'Agents' }).click()
    await page.getByText('This part of the console could not be loaded.').waitFor()
    expect(loaded.count).toBe(0)
    await context.setOffline(false)
    await page.getByRole('heading', { level: 1, name: 'Agents' }).waitFor()
    expect(loaded.count).toBe(1)
  })

  it('asks again, once, where the very first script is of another version', async () => {
    const entry = /^first-.*\.js/
    await build.remove(entry)
    const { page } = await open(browser, server.url, { allow })
    // What it asks for the second time it does not ask a third time.
    await expect.poll(() => page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith('orchestratai.reloaded.')).length)).toBe(1)
    await page.waitForLoadState('load')
    const loaded = loads(page)
    await page.waitForTimeout(1_000)
    expect(loaded.count).toBe(0)
    await build.putBack()
    await page.reload()
    await new ChatPage(page).composer.waitFor()
  })
})
