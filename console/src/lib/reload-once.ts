import { readStored, writeStored } from '@/lib/storage'

/**
 * Loads the page anew for want of `file`: once in a tab, for a page that lacks it again would be loaded for ever. Says whether
 * it does. `src/lib/start.js` does the same under the same key where the console's first script is the one that is missing.
 */
export function reloadOnce(file: string): boolean {
  const key = `orchestratai.reloaded.${file}`
  if (readStored('session', key) !== undefined) return false
  writeStored('session', key, '1')
  // Where the browser keeps nothing, nothing would stop the next time.
  if (readStored('session', key) === undefined) return false
  window.location.reload()
  return true
}
