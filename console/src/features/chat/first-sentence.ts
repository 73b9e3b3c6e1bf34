import { plainText } from '@/lib/plain-text'

const LENGTH_MAX = 240

/** How an answer begins, as it would be said: without marks, and not longer than one listens to. */
export function firstSentence(markdown: string): string {
  const plain = plainText(markdown.slice(0, 4 * LENGTH_MAX))
  const end = /[.!?…](?=\s|$)/.exec(plain)
  const sentence = end ? plain.slice(0, end.index + 1) : plain
  return sentence.length > LENGTH_MAX ? `${sentence.slice(0, LENGTH_MAX)}…` : sentence
}
