import * as z from 'zod/mini'
import { asApiError } from '@/api/error'
import type { ClientCommand } from '@/api/generated/wire'
import { request, requestNothing, send as sendRequest } from '@/api/http'
import { Agent, ChatSession } from '@/api/schemas/domain'
import { parseEvent, parseFrame, type ServerEvent } from '@/api/schemas/event'
import { EventStreamParser } from './event-stream'
import type { Position, Transport, TransportEvents } from './transport'

const SILENCE_MS = 60_000

const Begun = z.object({ stream_id: z.string() })
const Agents = z.object({ agents: z.array(Agent) })
const Last = z.object({ lastSeq: z.number() })

/** The fallback where no WebSocket can be had: the session's events as a stream, what is sent as requests. */
export function openEvents({ sessionId, afterSeq, epoch }: Position, events: TransportEvents): Transport {
  const stop = new AbortController()
  const base = `/api/session/${encodeURIComponent(sessionId)}`
  let wasOpen = false
  let hasEnded = false
  let timer: ReturnType<typeof setTimeout> | undefined

  const end = (code: number) => {
    if (hasEnded) return
    hasEnded = true
    clearTimeout(timer)
    stop.abort()
    events.onEnd({ code, wasOpen })
  }
  const listen = () => {
    clearTimeout(timer)
    timer = setTimeout(() => end(1006), SILENCE_MS)
  }
  const tell = (event: ServerEvent) => events.onFrame({ kind: 'event', event })

  const follow = async () => {
    const [session, { agents }, { lastSeq }] = await Promise.all([
      request(base, ChatSession, { signal: stop.signal }),
      request('/api/agents', Agents, { signal: stop.signal }),
      request(`${base}/events`, Last, { signal: stop.signal, query: { after_seq: 0, limit: 1 } }),
    ])
    const from = afterSeq ?? lastSeq
    const response = await sendRequest(`${base}/events`, {
      query: { after_seq: from },
      headers: { accept: 'text/event-stream' },
      signal: stop.signal,
      timeoutMs: undefined,
    })
    if (!response.body) throw new Error('an event stream has a body')
    wasOpen = true
    events.onOpen()
    // The stream has no greeting of its own; this is what a socket would have said.
    tell({
      type: 'session_ready',
      sessionId,
      at: session.lastActivity,
      data: { session, agents, epoch: epoch ?? '', lastSeq: afterSeq === undefined ? from : lastSeq, recovered: from <= lastSeq },
    })
    listen()
    const parser = new EventStreamParser()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      listen()
      for (const { data } of parser.push(value)) {
        const frame = parseFrame(data)
        if (frame.kind !== 'event' || frame.event.type !== 'session_ready') events.onFrame(frame)
      }
    }
  }
  follow().then(
    () => end(1006),
    (cause: unknown) => end(asApiError(cause).code === 'UNAUTHENTICATED' ? 4001 : 1006),
  )

  const send = (command: ClientCommand) => {
    switch (command.type) {
      case 'send_message': {
        const { clientMessageId, content, fresh } = command.data
        request('/api/chat/stream/initiate', Begun, {
          method: 'POST',
          body: { message: content, session_id: sessionId, ...(fresh === true ? { fresh } : {}) },
          headers: { 'idempotency-key': clientMessageId },
          signal: stop.signal,
        }).catch((cause: unknown) => {
          const { code, message, isRetryable } = asApiError(cause)
          // What never arrived stays in the outbox, and is sent again by the next connection.
          if (stop.signal.aborted || code === 'UNREACHABLE' || code === 'NOT_UNDERSTOOD') return end(1006)
          events.onFrame(
            parseEvent({
              type: 'error',
              sessionId,
              at: new Date().toISOString(),
              data: { code, message, retryable: isRetryable, clientMessageId },
            }),
          )
        })
        return
      }
      case 'cancel': {
        const turnId = command.data?.turnId
        if (turnId === undefined) return
        // 409: it has ended meanwhile, which the stream tells.
        requestNothing(`/api/chat/${encodeURIComponent(turnId)}/cancel`, { method: 'POST' }).catch(() => undefined)
        return
      }
      case 'resolve_approval': {
        const { approvalId, decision, ...verdict } = command.data
        const path = `/api/session/${sessionId}/approvals/${encodeURIComponent(approvalId)}`
        sendRequest(path, { method: 'POST', body: { decision, name: 'client', ...verdict } }).catch((cause: unknown) => {
          const { code, message, isRetryable } = asApiError(cause)
          if (stop.signal.aborted) return
          events.onFrame(
            parseEvent({ type: 'error', sessionId, at: new Date().toISOString(), data: { code, message, retryable: isRetryable } }),
          )
        })
        return
      }
      case 'ack':
      case 'ping':
        return
    }
  }
  return {
    send,
    probe: () => undefined,
    close: () => {
      hasEnded = true
      clearTimeout(timer)
      stop.abort()
    },
  }
}
