import compile from 'icu-minify/compile'
import type { Plugin } from 'vite'

type Catalogue = { [key: string]: string | Catalogue }

const FILE = /\/src\/messages\/[a-z]+\.json$/

/**
 * Takes the messages apart while the console is built, so that the browser need not have what takes them apart (12 KiB, and some
 * milliseconds of the first paint). `use-intl` names the way: a formatter that knows compiled messages alone.
 */
export function messages(): Plugin {
  return {
    name: 'messages',
    enforce: 'pre',
    config: () => ({ resolve: { alias: { 'use-intl/format-message': 'use-intl/format-message/format-only' } } }),
    transform(code, id) {
      return FILE.test(id) ? JSON.stringify(compiled(JSON.parse(code) as Catalogue)) : undefined
    },
  }
}

function compiled(catalogue: Catalogue): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(catalogue).map(([key, value]) => [key, typeof value === 'string' ? compile(value) : compiled(value)]),
  )
}
