import * as z from 'zod/mini'
import { ApiError } from '@/api/error'
import { request } from '@/api/http'
import { ChatSession, Message } from '@/api/schemas/domain'
import { parseEvent, type DurableEvent } from '@/api/schemas/event'
import { breathe } from '@/lib/breathe'

const EventsPage = z.object({ events: z.array(z.unknown()), lastSeq: z.number() })
const MessagesPage = z.object({ messages: z.array(Message), hasMore: z.boolean() })

/** Durable events of the first page of the past, which somebody waits for, and of each one before it. */
const FIRST_PAGE = 400
const OLDER_PAGE = 1_000
/** Some milliseconds' work: somebody scrolls meanwhile. */
const UNDERSTOOD_AT_ONCE = 200

const base = (sessionId: string) => `/api/session/${encodeURIComponent(sessionId)}`

export function readSession(sessionId: string, signal?: AbortSignal) {
  return request(base(sessionId), ChatSession, signal ? { signal } : {})
}

/** The events before `firstSeq`, as many as a page holds; what is of a type that we do not know is left out. */
export async function readEventsBefore(
  sessionId: string,
  firstSeq: number,
  isFirst: boolean,
  signal: AbortSignal,
): Promise<DurableEvent[]> {
  const afterSeq = Math.max(0, firstSeq - 1 - (isFirst ? FIRST_PAGE : OLDER_PAGE))
  const { events } = await request(`${base(sessionId)}/events`, EventsPage, {
    query: { after_seq: afterSeq, limit: firstSeq - 1 - afterSeq },
    signal,
  })
  const understood: DurableEvent[] = []
  for (const [index, value] of events.entries()) {
    if (index > 0 && index % UNDERSTOOD_AT_ONCE === 0) await breathe()
    const parsed = parseEvent(value)
    switch (parsed.kind) {
      case 'event':
        if ('seq' in parsed.event) understood.push(parsed.event)
        break
      case 'unknown':
        break
      case 'invalid':
        throw new ApiError('NOT_UNDERSTOOD', `An event of the session could not be understood (${parsed.problem}).`)
    }
  }
  // What is made of them is work of its own.
  await breathe()
  signal.throwIfAborted()
  return understood
}

/** The messages up to `before`, newest last. */
export async function readMessages(sessionId: string, limit: number, before: string | undefined, signal: AbortSignal) {
  const page = await request(`${base(sessionId)}/messages`, MessagesPage, { query: { limit, before }, signal })
  return page.messages
}
