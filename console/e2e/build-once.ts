import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'

/** What is tested is what is served: the console as it is built. `CONSOLE_BUILT=1` takes the present one. */
export default async function setup(): Promise<void> {
  const root = join(import.meta.dirname, '..')
  if (process.env['CONSOLE_BUILT'] === '1' && existsSync(join(root, 'dist/index.html'))) return
  await build({ root, logLevel: 'warn' })
}
