/**
 * Names a passage by its text, so that a link finds it though the document's other passages have come and gone. White space
 * does not count. FNV-1a over UTF-16 code units: it tells passages of one document apart, and guards nothing.
 */
export function passageKey(text: string): string {
  let hash = 0x811c9dc5
  const plain = text.trim().replace(/\s+/g, ' ')
  for (let at = 0; at < plain.length; at += 1) {
    hash ^= plain.charCodeAt(at)
    hash = Math.imul(hash, 0x01000193)
  }
  // A letter in front: a search parameter of digits alone would be read as a number.
  return `p${(hash >>> 0).toString(16).padStart(8, '0')}`
}
