import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

const LANGUAGES = { en: '/assets/en.js', de: '/assets/de.js' }

/** What stands on the page for theme, contrast and language. */
const shown = ({ lang, dataset }: HTMLElement) => [lang, dataset['theme'], dataset['contrast']]

describe('the script before the first paint', () => {
  let start: string
  beforeAll(async () => {
    start = await readFile(join(import.meta.dirname, 'start.js'), 'utf8')
  })
  afterEach(() => {
    localStorage.clear()
    document.head.replaceChildren()
    for (const name of ['theme', 'contrast', 'begins', 'fonts']) document.documentElement.removeAttribute(`data-${name}`)
    vi.resetModules()
  })

  function run() {
    const script = document.createElement('script')
    script.dataset['languages'] = JSON.stringify(LANGUAGES)
    script.dataset['chat'] = '["/assets/chat.js"]'
    vi.spyOn(document, 'currentScript', 'get').mockReturnValue(script)
    // It is no module: it is run as the page runs it.
    ;(0, eval)(start)
  }

  it.each([
    [undefined],
    ['{"theme":"dark","contrast":"more","language":"de"}'],
    ['{"theme":"light","contrast":"normal","language":"en"}'],
    ['{"theme":"system","contrast":"system","language":"constructor"}'],
    ['{"theme":"loud","contrast":7,"language":"fr"}'],
    ['null'],
    ['not JSON'],
  ])('puts on the page what the console puts there for %s', async (stored) => {
    if (stored !== undefined) localStorage.setItem('orchestratai.preferences', stored)
    run()
    const before = shown(document.documentElement)
    const { applyPreferences } = await import('./preferences')
    applyPreferences(document.documentElement)
    expect(before).toEqual(shown(document.documentElement))
  })

  it('fetches the words of the language and, where it is wanted, the chat', () => {
    localStorage.setItem('orchestratai.preferences', '{"language":"de"}')
    run()
    const fetched = [...document.querySelectorAll<HTMLLinkElement>('link[rel=modulepreload]')].map((link) => link.getAttribute('href'))
    expect(fetched).toEqual(['/assets/de.js', ...(location.pathname === '/' ? ['/assets/chat.js'] : [])])
  })
})
