/** Hands a file to the browser to keep. */
export function saveFile(name: string, content: Blob): void {
  const address = URL.createObjectURL(content)
  const anchor = document.createElement('a')
  anchor.href = address
  anchor.download = name
  anchor.click()
  // The browser has taken it by the next turn of the event loop, or never will.
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}
