/** Length in UTF-8 bytes. A lone surrogate counts as the three bytes of U+FFFD, as it is sent. */
export function utf8Length(text: string): number {
  let bytes = 0
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800) bytes += 2
    else if (unit >= 0xd800 && unit < 0xdc00 && isLow(text.charCodeAt(index + 1))) {
      bytes += 4
      index += 1
    } else bytes += 3
  }
  return bytes
}

/** `text` without its first `bytes` bytes; `undefined` where that would cut a character. */
export function dropUtf8(text: string, bytes: number): string | undefined {
  let left = bytes
  let index = 0
  while (left > 0 && index < text.length) {
    const unit = text.charCodeAt(index)
    const isPair = unit >= 0xd800 && unit < 0xdc00 && isLow(text.charCodeAt(index + 1))
    left -= unit < 0x80 ? 1 : unit < 0x800 ? 2 : isPair ? 4 : 3
    index += isPair ? 2 : 1
  }
  return left === 0 ? text.slice(index) : undefined
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000
}
