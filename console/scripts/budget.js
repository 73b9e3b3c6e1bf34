// The first load: the entry and all that it imports statically, as compressed as they are served. Routes load lazily, so
// the chat's own chunks, which everybody meets first, are counted with it.
import { readFileSync } from 'node:fs'

// At 1.6 Mbit/s, which is Lighthouse's slow 4G, each 20 KiB are a tenth of a second.
const BUDGET_KIB = 150
const FIRST = ['chat', 'en']
// What a server sends before it has heard back from the client: ten packets of 1,460 bytes (RFC 6928), less the head of the
// answer. The page has in it what its first paint is made of, and beyond this it would come a round trip later.
const PAGE_BYTES = 13_500

const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'))

const wanted = new Set()
const visit = (key) => {
  if (wanted.has(key) || !manifest[key]) return
  wanted.add(key)
  for (const next of manifest[key].imports ?? []) visit(next)
}
visit('index.html')
for (const name of FIRST) {
  const key = Object.keys(manifest).find((one) => manifest[one].name === name)
  if (!key) throw new Error(`${name} is no chunk of its own: is it imported statically?`)
  visit(key)
}

const size = (file) => {
  try {
    return readFileSync(new URL(`${file}.br`, dist)).length
  } catch {
    return readFileSync(new URL(file, dist)).length
  }
}
const page = size('index.html')
const rows = [...wanted].map((key) => ({ file: manifest[key].file, bytes: size(manifest[key].file) }))
rows.sort((one, other) => other.bytes - one.bytes)
const total = rows.reduce((sum, row) => sum + row.bytes, 0)

for (const row of rows) console.log(`${(row.bytes / 1024).toFixed(1).padStart(8)} KiB  ${row.file}`)
console.log(`${(total / 1024).toFixed(1).padStart(8)} KiB  in all, of ${BUDGET_KIB}`)
if (total > BUDGET_KIB * 1024) {
  console.error('The first load is over its budget.')
  process.exit(1)
}
console.log(`${(page / 1024).toFixed(1).padStart(8)} KiB  index.html, of ${(PAGE_BYTES / 1024).toFixed(1)}`)
if (page > PAGE_BYTES) {
  console.error('The page does not come in one go.')
  process.exit(1)
}
