import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin, ResolvedConfig } from 'vite'

const asBrotli = promisify(brotliCompress)
const asGzip = promisify(gzip)

const COMPRESSIBLE = /\.(?:html|js|css|svg|json|webmanifest|txt)$/
/** Below this a compressed answer saves nothing that a packet would notice. */
const WORTH_IT_BYTES = 512

/** Writes `.br` and `.gz` beside each file that gains by it, so that the server compresses nothing while it serves. */
export function precompress(): Plugin {
  let config: ResolvedConfig
  return {
    name: 'precompress',
    apply: 'build',
    enforce: 'post',
    configResolved(resolved) {
      config = resolved
    },
    async closeBundle() {
      const folder = join(config.root, config.build.outDir)
      const names = await readdir(folder, { recursive: true })
      // What begins with a dot is for the build itself, and is not served.
      await Promise.all(
        names
          .filter((name) => COMPRESSIBLE.test(name) && !name.startsWith('.'))
          .map(async (name) => {
            const path = join(folder, name)
            const bytes = await readFile(path)
            if (bytes.length < WORTH_IT_BYTES) return
            const [brotli, gzipped] = await Promise.all([
              asBrotli(bytes, {
                params: {
                  [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
                  [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
                },
              }),
              asGzip(bytes, { level: constants.Z_BEST_COMPRESSION }),
            ])
            if (brotli.length < bytes.length) await writeFile(`${path}.br`, brotli)
            if (gzipped.length < bytes.length) await writeFile(`${path}.gz`, gzipped)
          }),
      )
    },
  }
}
