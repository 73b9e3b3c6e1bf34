export type Piece = { text: string; isOther: boolean }

/** Beyond so many words a side, comparing would take longer than looking. */
const WORDS_MAX = 1_500

/**
 * What two texts do not have in common, word by word: the first with what only it says, and the second likewise. By the longest
 * common subsequence.
 */
export function wordsDiff(before: string, after: string): { before: Piece[]; after: Piece[] } {
  const a = words(before)
  const b = words(after)
  if (a.length > WORDS_MAX || b.length > WORDS_MAX) {
    const isOther = before !== after
    return { before: pieces([[before, isOther]]), after: pieces([[after, isOther]]) }
  }
  const width = b.length + 1
  // lengths[i * width + j]: the longest common subsequence of what follows i in a and j in b.
  const lengths = new Uint16Array((a.length + 1) * width)
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0
  const isSame = (i: number, j: number) => a[i]?.trimEnd() === b[j]?.trimEnd()
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = isSame(i, j) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const left: [string, boolean][] = []
  const right: [string, boolean][] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && isSame(i, j)) {
      left.push([a[i] ?? '', false])
      right.push([b[j] ?? '', false])
      i += 1
      j += 1
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) {
      left.push([a[i] ?? '', true])
      i += 1
    } else {
      right.push([b[j] ?? '', true])
      j += 1
    }
  }
  return { before: pieces(left), after: pieces(right) }
}

/** Each with the white space that follows it. */
function words(text: string): string[] {
  return text.match(/^\s+|\S+\s*/g) ?? []
}

function pieces(parts: [string, boolean][]): Piece[] {
  const joined: Piece[] = []
  for (const [text, isOther] of parts) {
    const last = joined.at(-1)
    if (last?.isOther === isOther) last.text += text
    else if (text !== '') joined.push({ text, isOther })
  }
  return joined
}
