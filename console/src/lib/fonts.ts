import letters from '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2?url'
import { readStored, writeStored } from '@/lib/storage'

const KEY = 'orchestratai.fonts'

/**
 * Has the console's own letters shown. They are 48 KiB, which a slow line would take from the scripts: at the first visit they
 * come once the page is there, and give way to what it asks of the server. From then on the browser keeps them, and
 * `src/lib/start.js` shows them from the start.
 */
export function showFonts({ dataset, ownerDocument: { head } }: HTMLElement): void {
  if (dataset['fonts'] !== undefined) return
  const show = () => {
    dataset['fonts'] = ''
    writeStored('local', KEY, 'kept')
  }
  if (readStored('local', KEY) !== undefined) {
    show()
    return
  }
  const link = Object.assign(document.createElement('link'), {
    rel: 'preload',
    as: 'font',
    type: 'font/woff2',
    crossOrigin: '',
    fetchPriority: 'low',
    href: letters,
  })
  link.addEventListener('load', show, { once: true })
  link.addEventListener('error', show, { once: true })
  head.append(link)
}
