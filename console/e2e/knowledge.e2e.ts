import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { documentPicture, expectAccessible, launchBrowser, open } from './browser'
import { Server } from './server'

const HANDBOOK = '# Beekeeping handbook\n\nBees are kept on the roof.\n\n## Winter\n\nFeed each hive *twelve kilograms* of sugar before the first frost.\n'

describe('the knowledge base', () => {
  let server: Server
  let browser: Browser
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orchestratai-files-'))
    ;[server, browser] = await Promise.all([Server.start(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  const upload = async (page: Page, files: string[]) => {
    await page.getByRole('button', { name: 'Upload documents' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'Upload documents' })
    await dialog.getByLabel('Collection').selectOption('technical')
    const chooser = page.waitForEvent('filechooser')
    await dialog.getByRole('button', { name: 'Choose files' }).click()
    await (await chooser).setFiles(files)
    await dialog.getByRole('button', { name: `Upload ${files.length} file` }).click()
    return dialog
  }

  it('lists collections and documents, and finds them by path', async () => {
    const { page, problems } = await open(browser, `${server.url}/knowledge`)
    const collections = page.getByRole('list', { name: 'Collections' })
    await collections.getByRole('button', { name: /^policy/ }).click()
    await page.waitForURL(/collection=policy/)
    await page.getByRole('link', { name: 'Refund policy' }).waitFor()
    expect(await page.getByRole('cell', { name: 'billing' }).count()).toBe(0)
    await page.getByRole('searchbox', { name: 'Find by title or path' }).fill('REFUND')
    await page.waitForURL(/query=REFUND/)
    await page.getByRole('status').filter({ hasText: /^1 document$/ }).waitFor()
    await page.reload()
    await page.getByRole('status').filter({ hasText: /^1 document$/ }).waitFor()
    expect(problems).toEqual([])
  })

  it('takes files in, says what was wrong with each, replaces one and deletes it', async () => {
    const { page, problems } = await open(browser, `${server.url}/knowledge`)
    const dialog = await upload(page, [await file('bees.md', HANDBOOK), await file('song.mp3', 'la')])
    await dialog.getByText('1 file was taken in, 1 was not.').waitFor()
    const files = dialog.getByRole('list', { name: 'Files' })
    await files.getByRole('listitem').filter({ hasText: 'song.mp3' }).getByText('it is neither markdown').waitFor()
    await files.getByRole('listitem').filter({ hasText: 'bees.md' }).getByRole('link', { name: 'Show it' }).click()

    await page.getByRole('heading', { level: 1, name: 'Beekeeping handbook' }).waitFor()
    await page.getByRole('button', { name: 'Replace' }).click()
    const replacing = page.getByRole('dialog', { name: 'Replace “Beekeeping handbook”' })
    await replacing.getByLabel('File').setInputFiles(await file('other.txt', 'no'))
    await replacing.getByRole('alert').getByText('It must be a .md file').waitFor()
    await replacing.getByLabel('File').setInputFiles(await file('newer.md', HANDBOOK.replace('twelve', 'fourteen')))
    await replacing.getByRole('button', { name: 'Replace' }).click()
    await replacing.waitFor({ state: 'hidden' })
    await page.getByRole('group', { name: 'Passage 2' }).getByText('fourteen kilograms').waitFor()

    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog', { name: 'Delete “Beekeeping handbook”?' }).getByRole('button', { name: 'Delete' }).click()
    await page.waitForURL(/\/knowledge$/)
    await page.getByText('“Beekeeping handbook” is deleted.').waitFor()
    await page.getByRole('link', { name: 'Beekeeping handbook' }).waitFor({ state: 'detached' })
    expect(problems).toEqual([])
  })

  it('says what an upload could not do while the server is away, and does it afterwards', async () => {
    const { page } = await open(browser, `${server.url}/knowledge`, { allow: /Failed to load resource/ })
    await page.getByRole('list', { name: 'Collections' }).waitFor()
    await page.route('**/api/knowledge/documents', (route) => (route.request().method() === 'POST' ? route.abort() : route.fallback()))
    const dialog = await upload(page, [await file('later.md', '# Later\n\nWords.')])
    await dialog.getByText('Not taken in: The server cannot be reached.').waitFor()
    await page.unroute('**/api/knowledge/documents')
    await dialog.getByRole('button', { name: 'Try again' }).click()
    await dialog.getByText('1 file was taken in.').waitFor()
  })

  it('shows ranks side by side, and leads to the passage in its document, by keyboard alone', async () => {
    const { page, problems } = await open(browser, `${server.url}/knowledge/search`)
    await page.getByRole('searchbox', { name: 'Question' }).focus()
    await page.keyboard.type('can I get a refund for the annual plan')
    await page.keyboard.press('Enter')
    for (const ranker of ['Words', 'Vector', 'Fused']) {
      const column = page.getByRole('region', { name: ranker })
      await column.getByRole('button').nth(9).waitFor()
      expect(await column.getByRole('button').count()).toBe(10)
    }
    const second = page.getByRole('region', { name: 'Vector' }).getByRole('button').nth(1)
    await second.focus()
    await page.keyboard.press('Enter')
    const chosen = page.getByRole('region', { name: 'Chosen passage' })
    const words = (await chosen.getByRole('group', { name: 'Text of the passage' }).innerText()).slice(0, 40)
    await documentPicture(page, 'console-search')
    await chosen.getByRole('link', { name: 'See it in its document' }).focus()
    await page.keyboard.press('Enter')
    const passage = page.locator('[role=group][aria-current=location]')
    await passage.waitFor()
    expect((await passage.innerText()).replace(/\s+/g, ' ')).toContain(words.replace(/\s+/g, ' ').slice(0, 25))
    expect(await passage.evaluate((element) => element === document.activeElement)).toBe(true)
    const box = await passage.boundingBox()
    expect(box !== null && box.y > 0 && box.y < 900).toBe(true)
    await documentPicture(page, 'console-document')
    expect(problems).toEqual([])
  })

  it('says that a passage is no longer there', async () => {
    const { page } = await open(browser, `${server.url}/knowledge`)
    await page.getByRole('link', { name: 'Refund policy' }).click()
    await page.getByRole('heading', { level: 1, name: 'Refund policy' }).waitFor()
    await page.goto(`${page.url()}?passage=p00000000`)
    await page.getByText('no longer stands in this document').waitFor()
  })

  it('keeps what nobody could answer as a list of what is to be written', async () => {
    const question = 'Which API endpoint returns the trombone score of my zebra?'
    const body = JSON.stringify({ message: question, session_id: crypto.randomUUID() })
    const headers = { 'content-type': 'application/json' }
    await fetch(`${server.apiUrl}/api/chat`, { method: 'POST', headers, body })
    const asked: unknown = await fetch(`${server.apiUrl}/api/knowledge/questions?state=open`).then((response) => response.json())
    expect(asked).toMatchObject({ questions: [{ question }] })

    const { page, problems } = await open(browser, `${server.url}/knowledge/questions`)
    const item = page.getByRole('listitem').filter({ hasText: question })
    await item.getByRole('button', { name: 'Add a note' }).click()
    await item.getByLabel('Note').fill('Kim writes it.')
    await item.getByRole('button', { name: 'Save note' }).click()
    await item.getByText('Kim writes it.').waitFor()
    await item.getByRole('button', { name: 'Done', exact: true }).click()
    await page.getByText('Nothing to do').waitFor()
    await page.getByRole('group', { name: 'Which questions' }).getByRole('button', { name: 'Done' }).click()
    await page.getByText('Kim writes it.').waitFor()
    await page.getByRole('link', { name: 'Search for it' }).click()
    expect(await page.getByRole('searchbox', { name: 'Question' }).inputValue()).toBe(question)
    expect(problems).toEqual([])
  })

  it.each(['light', 'dark'] as const)('is accessible in %s, wide and on a phone', async (colorScheme) => {
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
      const { page, context, problems } = await open(browser, `${server.url}/knowledge`, { colorScheme, viewport })
      await page.getByRole('link', { name: 'Refund policy' }).waitFor()
      await expectAccessible(page)
      await page.getByRole('button', { name: 'Upload documents' }).first().click()
      await page.getByRole('dialog').waitFor()
      await expectAccessible(page)
      await page.keyboard.press('Escape')
      await page.getByRole('link', { name: 'Refund policy' }).click()
      await page.getByRole('group', { name: 'Passage 1' }).waitFor()
      await page.getByRole('group', { name: 'Passage 1' }).getByRole('table').waitFor()
      await expectAccessible(page)
      await page.goto(`${server.url}/knowledge/search?q=refund`)
      await page.getByRole('region', { name: 'Chosen passage' }).waitFor()
      await expectAccessible(page)
      await page.goto(`${server.url}/knowledge/questions`)
      await page.getByRole('group', { name: 'Which questions' }).waitFor()
      await expectAccessible(page)
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true)
      expect(problems).toEqual([])
      await context.close()
    }
  }, 240_000)
})
