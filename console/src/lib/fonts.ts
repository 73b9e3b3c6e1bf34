import { readStored, writeStored } from '@/lib/storage'

const KEY = 'orchestratai.fonts'

/**
 * Has the console's own letters shown. They are 48 KiB, which a slow line would take from the scripts: at the first visit they
 * come once the page is there. From then on the browser keeps them, and `public/start.js` shows them from the start.
 */
export function showFonts(root: HTMLElement): void {
  root.dataset['fonts'] = ''
  if (readStored('local', KEY) === undefined) writeStored('local', KEY, 'kept')
}
