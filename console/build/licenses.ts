import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Plugin } from 'vite'

type Manifest = { name: string; version: string; license?: string }

const LICENSE_FILE = /^(licen[cs]e|copying)([.-].*)?$/i

/** Writes `licenses.txt`: every package of which something is in the console, with the terms under which it is. */
export function licenses(): Plugin {
  const folders = new Set<string>()
  let root = ''
  const add = (path: string) => {
    const folder = packageOf(path)
    if (folder) folders.add(folder)
  }
  return {
    name: 'licenses',
    apply: 'build',
    configResolved(config) {
      root = config.root
      folders.add(join(root, 'node_modules/tailwindcss')) // Style sheets name it, and they are no modules.
    },
    transform(_code, id) {
      add(id)
    },
    async generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type === 'asset') file.originalFileNames.forEach((name) => add(resolve(root, name))) // Fonts, above all.
      }
      const texts = await Promise.all([...folders].sort().map(describe))
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: texts.join(`\n\n${'-'.repeat(80)}\n\n`) })
    },
  }
}

/** The folder of the package that a module belongs to; none for what is our own. */
function packageOf(id: string): string | undefined {
  if (!id.includes('/node_modules/')) return undefined
  let folder = dirname(id.replace(/^\0/, '').replace(/[?#].*$/, ''))
  // A package may have manifests without a name in it, which only say of what kind its modules are.
  for (; !folder.endsWith('/node_modules'); folder = dirname(folder)) {
    const parent = dirname(folder)
    const isRoot = parent.endsWith('/node_modules') || /\/node_modules\/@[^/]+$/.test(parent)
    if (isRoot && existsSync(join(folder, 'package.json'))) return folder
  }
  return undefined
}

async function describe(folder: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
  const file = (await readdir(folder)).find((name) => LICENSE_FILE.test(name))
  const terms = file === undefined ? `Licence: ${manifest.license ?? 'not named'}` : await readFile(join(folder, file), 'utf8')
  return `${manifest.name} ${manifest.version}\n\n${terms.trim()}\n`
}
