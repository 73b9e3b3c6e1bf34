import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { minifySync, type Plugin, type Rolldown } from 'vite'

/**
 * Puts into the page itself what its first paint is made of, so that it waits for the page and for nothing else: on a slow line
 * each further file takes two round trips. The content security policy lets in what stands in the page by its hash, which the
 * server takes of the page that it sends.
 */
export function inPage(): Plugin {
  let root = ''
  let isBuild = false
  return {
    name: 'in-page',
    configResolved(config) {
      root = config.root
      isBuild = config.command === 'build'
    },
    transformIndexHtml: {
      order: 'post',
      handler(given, { bundle }) {
        // Words of a replacement are given by a function: a `$` in them would mean something.
        const html = given
          .replace('<!-- start -->', () => start(root, isBuild))
          .replaceAll(/(?<=(?:src|href)=")\/favicon\.svg(?=")/g, asDataUri(readFileSync(join(root, 'public/favicon.svg'), 'utf8')))
        return bundle ? withStyles(html, bundle) : html
      },
    },
  }
}

/** The script before the first paint. */
function start(root: string, isBuild: boolean): string {
  const path = join(root, 'src/lib/start.js')
  const text = readFileSync(path, 'utf8')
  return isBuild ? minifySync(path, text, { compress: true, mangle: true }).code.trim() : text
}

/** The style sheet of every page, in place of the link to it; nothing else is to fetch it either. */
function withStyles(html: string, bundle: Rolldown.OutputBundle): string {
  return html.replace(/<link rel="stylesheet"[^>]*href="\/([^"]+)">/, (_, file: string) => {
    const sheet = bundle[file]
    if (sheet?.type !== 'asset') throw new Error(`${file} is no style sheet of this build`)
    Reflect.deleteProperty(bundle, file)
    // A part of the console that comes later fetches the styles of all that it is made of.
    for (const chunk of Object.values(bundle)) {
      if (chunk.type === 'chunk') chunk.viteMetadata?.importedCss.delete(file)
    }
    return `<style>${String(sheet.source).trim()}</style>`
  })
}

/** Readable, and the same as Vite makes of it for src/app/shell/shell.tsx. */
const asDataUri = (svg: string) =>
  `data:image/svg+xml,${svg.trim().replaceAll('"', "'").replaceAll('#', '%23').replaceAll('<', '%3c').replaceAll('>', '%3e').replaceAll(/\s+/g, '%20')}`
