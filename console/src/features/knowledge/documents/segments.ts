import type { DocumentPart } from '@/api/schemas/knowledge'

/** A stretch of a document: one of its passages, or what stands between two (a heading, mostly). */
export type Segment = { text: string; part?: DocumentPart }

/**
 * Cuts a document where its passages begin and end. Their places are UTF-8 bytes; one that the server could not place is
 * looked for by its text, and left out where it does not stand there word for word.
 */
export function segments(content: string, parts: readonly DocumentPart[]): Segment[] {
  const bytes = new TextEncoder().encode(content)
  const decoder = new TextDecoder()
  const text = (from: number, to: number) => decoder.decode(bytes.subarray(from, to))
  const placed = parts
    .map((part) => ({ part, ...place(content, part) }))
    .filter(({ start, end }) => start < end && end <= bytes.length)
    .sort((one, other) => one.start - other.start)
  const cut: Segment[] = []
  let at = 0
  for (const { part, start, end } of placed) {
    // Two that overlap would show a text twice: the later one gives way.
    if (start < at) continue
    if (start > at) cut.push({ text: text(at, start) })
    cut.push({ text: text(start, end), part })
    at = end
  }
  if (at < bytes.length) cut.push({ text: text(at, bytes.length) })
  return cut
}

function place(content: string, part: DocumentPart): { start: number; end: number } {
  if (part.start !== undefined && part.end !== undefined) return { start: part.start, end: part.end }
  const at = content.indexOf(part.content)
  if (at < 0) return { start: 0, end: 0 }
  const length = (text: string) => new TextEncoder().encode(text).length
  const start = length(content.slice(0, at))
  return { start, end: start + length(part.content) }
}
