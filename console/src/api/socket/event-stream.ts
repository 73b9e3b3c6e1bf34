/** One event of a `text/event-stream`. */
export type StreamedEvent = { id: string | undefined; event: string; data: string }

/** Takes a stream apart, piece by piece, however it is cut (HTML Living Standard, server-sent events). */
export class EventStreamParser {
  private rest = ''
  private id: string | undefined
  private event = ''
  private data: string[] = []

  push(text: string): StreamedEvent[] {
    const found: StreamedEvent[] = []
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop() ?? ''
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
      if (line === '') {
        if (this.data.length > 0) {
          found.push({ id: this.id, event: this.event || 'message', data: this.data.join('\n') })
        }
        this.data = []
        this.event = ''
        this.id = undefined
        continue
      }
      const colon = line.indexOf(':')
      if (colon === 0) continue
      const field = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (field === 'data') this.data.push(value)
      else if (field === 'event') this.event = value
      else if (field === 'id') this.id = value
    }
    return found
  }
}
