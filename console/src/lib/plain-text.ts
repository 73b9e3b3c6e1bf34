/** A Markdown text as it would be said: without its marks and citations, in one line. Also of a piece that was cut off anywhere. */
export function plainText(markdown: string): string {
  return MARKS.reduce((text, [mark, instead]) => text.replace(mark, instead), markdown).replace(/\s+/g, ' ').trim()
}

const MARKS: readonly (readonly [RegExp, string])[] = [
  [/\[\d+\]/g, ''], // Citations.
  [/!?\[([^\]]*)\]\([^)]*\)?/g, '$1'], // Links and pictures.
  [/^[ \t]*```.*$/gm, ''],
  [/^[ \t|:-]*-{3}[ \t|:-]*$/gm, ''], // Rules, and what is below the head of a table.
  [/^[ \t]*(?:#{1,6}|>+|[-*+])[ \t]+/gm, ''], // Headings, quotes, items.
  [/`+|\|/g, ' '],
  // At a word's edge alone: in `a_b` and `2*3` they are no marks.
  [/(?<![\p{L}\p{N}])[*_~]+(?=\S)|(?<=\S)[*_~]+(?![\p{L}\p{N}])/gu, ''],
]
