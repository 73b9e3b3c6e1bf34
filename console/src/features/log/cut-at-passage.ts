import type { Passage } from './passage'

type WholeDocument = { content: string; chunks: readonly { headings: readonly string[]; content: string; start?: number; end?: number }[] }

const plain = (text: string) => text.replace(/\s+/g, ' ').trim()

/** The document's text before the passage, the passage, and what comes after. `start` and `end` of a chunk count UTF-8 bytes. */
export function cutAtPassage(document: WholeDocument, passage: Passage): { before: string; passage: string; after: string } {
  const chunk = chunkOf(document, passage)
  if (chunk?.start === undefined || chunk.end === undefined) return { before: document.content, passage: '', after: '' }
  const bytes = new TextEncoder().encode(document.content)
  const text = (from: number, to: number) => new TextDecoder().decode(bytes.slice(from, to))
  return {
    before: text(0, chunk.start),
    passage: text(chunk.start, chunk.end),
    after: text(chunk.end, bytes.length),
  }
}

/** The chunk with the same text; after a change of the document, the one below the same headings. */
function chunkOf(document: WholeDocument, { content, headings }: Passage) {
  const wanted = content === undefined ? undefined : plain(content)
  const same = wanted === undefined ? undefined : document.chunks.find((chunk) => plain(chunk.content) === wanted)
  if (same) return same
  const holds = wanted === undefined ? undefined : document.chunks.find((chunk) => wanted.includes(plain(chunk.content)) || plain(chunk.content).includes(wanted))
  if (holds) return holds
  const path = headings?.join('\n')
  if (path === undefined || path === '') return undefined
  return document.chunks.find((chunk) => chunk.headings.join('\n') === path) ?? document.chunks.find((chunk) => path.endsWith(chunk.headings.join('\n')))
}
