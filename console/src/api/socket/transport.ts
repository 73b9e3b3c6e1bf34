import type { ClientCommand } from '@/api/generated/wire'
import type { ParsedFrame } from '@/api/schemas/event'

/** One connection, from its opening to its end; it never comes back by itself. */
export type Transport = {
  send: (command: ClientCommand) => void
  /** Asks for a sign of life now, and is closed where there is none: after sleep, or a change of network. */
  probe: () => void
  close: () => void
}

export type Ended = { code: number; wasOpen: boolean }

export type TransportEvents = {
  onOpen: () => void
  onFrame: (frame: ParsedFrame) => void
  onEnd: (ended: Ended) => void
}

export type Position = { sessionId: string; afterSeq: number | undefined; epoch: string | undefined }
