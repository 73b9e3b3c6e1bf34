import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { firstPage } from './build/first-page.ts'
import { inPage } from './build/in-page.ts'
import { licenses } from './build/licenses.ts'
import { messages } from './build/messages.ts'
import { precompress } from './build/precompress.ts'

/** Where `npm run dev` finds the server. */
const SERVER = process.env['ORCHESTRATAI_URL'] ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [react(), tailwindcss(), messages(), firstPage(), inPage(), licenses(), precompress()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    outDir: 'dist',
    manifest: true,
    // `light-dark()` and `@layer` as they are: rewriting them for older browsers would double the tokens.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // The content security policy lets in no font or image as `data:` that it need not, and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    proxy: { '/api': { target: SERVER, ws: true } },
  },
})
