import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin, Rolldown } from 'vite'

const ENTRY = 'src/main.tsx'
const CHAT = 'src/app/pages/chat.tsx'
const LANGUAGES = ['en', 'de']

/**
 * The files of the first page, each of which needs only those before it. By itself the bundler makes a file of each set of modules
 * that some pages share, fifty of them, and a slow line takes its time for each.
 */
const FILES = ['react', 'platform', 'first', 'chat'] as const

/**
 * Arranges the files of the first visit for a slow line: what is painted first needs no script, so scripts give way to it; they are
 * few; and `src/lib/start.js` is told which will be imported, so that nobody waits for one of them to name the next.
 */
export function firstPage(): Plugin {
  let root = ''
  /** What runs on every page, and what the chat has beside it. */
  let everywhere = new Set<string>()
  let chat = new Set<string>()

  /** Which of the four files below a module belongs in; none where the first page does without it. */
  const fileOf = (id: string, context: Rolldown.ChunkingContext): (typeof FILES)[number] | undefined => {
    if (everywhere.size === 0) {
      collect(join(root, ENTRY), context, everywhere)
      collect(join(root, CHAT), context, chat)
    }
    if (id.endsWith('.css') || (!everywhere.has(id) && !chat.has(id))) return undefined
    if (/\/node_modules\/(?:react|react-dom|scheduler)\//.test(id)) return 'react'
    if (id.includes('/node_modules/')) return 'platform'
    return everywhere.has(id) ? 'first' : 'chat'
  }

  return {
    name: 'first-page',
    config() {
      const groups = FILES.map((file, index) => ({
        debugName: file,
        name: (id: string, context: Rolldown.ChunkingContext) => (fileOf(id, context) === file ? file : null),
        priority: FILES.length - index,
      }))
      return { build: { rolldownOptions: { output: { codeSplitting: { groups } } } } }
    },
    configResolved(config) {
      root = config.root
    },
    buildStart() {
      everywhere = new Set()
      chat = new Set()
    },
    transformIndexHtml: {
      order: 'post',
      handler(given, { bundle }) {
        const html = given.replace('<!-- first-words -->', LANGUAGES.map((language) => firstWords(root, language)).join(''))
        if (!bundle) return html
        const chunks = Object.values(bundle).filter((one) => one.type === 'chunk')
        const chunkOf = (source: string) => {
          const found = chunks.find(({ moduleIds }) => moduleIds.includes(join(root, source)))
          if (!found) throw new Error(`${source} is no chunk of its own: is it imported statically?`)
          return found
        }
        const languages = LANGUAGES.map((language) => [language, `/${chunkOf(`src/messages/${language}.json`).fileName}`])
        const { fileName, imports } = chunkOf(CHAT)
        const others = [fileName, ...imports].filter((file) => !html.includes(file)).map((file) => `/${file}`)
        return html
          .replaceAll(/<(?:script type="module"|link rel="modulepreload") crossorigin/g, '$& fetchpriority="low"')
          .replace(
            '<script><!-- start -->',
            `<script data-languages='${JSON.stringify(Object.fromEntries(languages))}' data-chat='${JSON.stringify(others)}'><!-- start -->`,
          )
      },
    },
  }
}

/** A module and all that it imports from the start. */
function collect(id: string, context: Rolldown.ChunkingContext, found: Set<string>): void {
  if (found.has(id)) return
  found.add(id)
  for (const next of context.getModuleInfo(id)?.importedIds ?? []) collect(next, context, found)
}

type Catalogue = { chat: Record<'emptyTitle' | 'emptyHint' | 'example1' | 'example2' | 'example3', string> }

/** What an empty chat says (src/features/chat/empty-chat.tsx), as markup: it is read while the scripts are still on their way. */
function firstWords(root: string, language: string): string {
  const { chat } = JSON.parse(readFileSync(join(root, `src/messages/${language}.json`), 'utf8')) as Catalogue
  const examples = [chat.example1, chat.example2, chat.example3].map(
    (text) => `<li class="rounded-card border border-line bg-surface px-4 py-3 text-md shadow-card">${escaped(text)}</li>`,
  )
  return (
    `<div lang="${language}" class="boot-words">` +
    `<div><p class="text-2xl font-semibold text-balance">${escaped(chat.emptyTitle)}</p>` +
    `<p class="mt-1.5 max-w-prose text-md text-muted">${escaped(chat.emptyHint)}</p></div>` +
    `<ul class="flex flex-col gap-2">${examples.join('')}</ul></div>`
  )
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
