import * as z from 'zod/mini'
import type { Failure } from '@/api/generated/wire'
import { readStored, writeStored } from '@/lib/storage'

/**
 * A message that the server has not accepted yet. It keeps its id whatever happens, so that sending it again is safe: the
 * server takes an id once.
 */
export type Outgoing = {
  clientMessageId: string
  content: string
  fresh?: boolean
  at: string
  /** `waiting` for a connection; `sent`, and not yet accepted; `failed`, and not to be sent again unless asked. */
  state: 'waiting' | 'sent' | 'failed'
  error?: Pick<Failure, 'message' | 'retryable'> & { code: string }
}

const Stored = z.array(
  z.object({
    clientMessageId: z.string(),
    content: z.string(),
    fresh: z.exactOptional(z.boolean()),
    at: z.string(),
    state: z.enum(['waiting', 'sent', 'failed']),
    error: z.exactOptional(z.object({ code: z.string(), message: z.string(), retryable: z.boolean() })),
  }),
)

const key = (sessionId: string) => `orchestratai.outbox.${sessionId}`

/** Kept for the tab, over a reload and a crash of the browser's page. */
export function readOutbox(sessionId: string): Outgoing[] {
  try {
    const parsed = z.safeParse(Stored, JSON.parse(readStored('session', key(sessionId)) ?? '[]'))
    return parsed.success ? parsed.data : []
  } catch {
    return []
  }
}

export function writeOutbox(sessionId: string, outbox: readonly Outgoing[]): void {
  writeStored('session', key(sessionId), outbox.length === 0 ? undefined : JSON.stringify(outbox))
}
