/** A piece of a text that is rendered by itself, so that a text that grows renders only its last piece anew. */
export type Block = { text: string; kind: 'markdown' | 'plain' }

/** What is longer is not parsed, for parsing is superlinear in the wrong hands; it is shown as it is. */
const BLOCK_MAX = 16_000
const FENCE = /^ {0,3}(`{3,}|~{3,})/
const LIST_ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/
const DEFINITION = /^ {0,3}\[[^\]\n]{1,200}\]:\s*\S/m

/** Cuts markdown between its top-level blocks: at blank lines that are neither in a fence nor in a list. */
export function splitBlocks(markdown: string): Block[] {
  // A definition is valid for the whole text, so it may not be parted from what refers to it.
  if (markdown.length <= BLOCK_MAX && DEFINITION.test(markdown)) return [{ text: markdown, kind: 'markdown' }]
  const blocks: Block[] = []
  let begin = 0
  let at = 0
  let fence: string | undefined
  let isList = false
  let blankBefore = false
  const close = (end: number) => {
    const text = markdown.slice(begin, end)
    if (text.trim() !== '') blocks.push(...bounded(text))
    begin = end
    isList = false
  }
  while (at < markdown.length) {
    const newline = markdown.indexOf('\n', at)
    const next = newline < 0 ? markdown.length : newline + 1
    const line = markdown.slice(at, Math.min(next, at + 200))
    if (fence !== undefined) {
      const marker = FENCE.exec(line)?.[1]
      if (marker?.startsWith(fence) === true && line.trim() === marker) fence = undefined
    } else if (line.trim() === '') {
      blankBefore = true
      at = next
      continue
    } else {
      const continuesList = isList && (LIST_ITEM.test(line) || /^(?: {2,}|\t)/.test(line))
      if (blankBefore && !continuesList) close(at)
      if (begin === at || markdown.slice(begin, at).trim() === '') isList = LIST_ITEM.test(line)
      fence = FENCE.exec(line)?.[1]
    }
    blankBefore = false
    at = next
  }
  close(markdown.length)
  return blocks
}

/** Quotes and lists that are nested deeper are laid out by a recursion that a browser's stack may not bear. */
const TOO_DEEP = /^[ \t]*(?:>[ \t]?|[-*+][ \t]+|\d{1,9}[.)][ \t]+){40}/m

function bounded(text: string): Block[] {
  if (text.length <= BLOCK_MAX && TOO_DEEP.test(text)) return [{ text, kind: 'plain' }]
  if (text.length <= BLOCK_MAX) return [{ text, kind: 'markdown' }]
  const pieces: Block[] = []
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + BLOCK_MAX)
    const newline = text.lastIndexOf('\n', end)
    if (end < text.length && newline > at) end = newline + 1
    pieces.push({ text: text.slice(at, end), kind: 'plain' })
    at = end
  }
  return pieces
}

/** How many blocks from the first have `lengthMax` characters in all, at least one. */
export function blocksWithin(blocks: readonly Block[], lengthMax: number): number {
  let length = 0
  const end = blocks.findIndex((block) => {
    length += block.text.length
    return length > lengthMax
  })
  return end < 0 ? blocks.length : Math.max(1, end)
}

/** Overrides turn what follows around, and have no use in an answer but to disguise it. */
export function withoutOverrides(text: string): string {
  return text.replace(/[\u202D\u202E]/g, '')
}

/** In code, signs that reorder what is read are made visible: what is copied is what was seen. */
export function withVisibleControls(code: string): string {
  return code.replace(
    /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g,
    (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  )
}
