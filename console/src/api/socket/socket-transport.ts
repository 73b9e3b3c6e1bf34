import type { ClientCommand } from '@/api/generated/wire'
import { parseFrame } from '@/api/schemas/event'
import { access } from '@/api/token'
import type { Position, Transport, TransportEvents } from './transport'

const OPEN_MS = 10_000
const SILENCE_MS = 25_000
const ANSWER_MS = 8_000

/** A WebSocket of `/api/ws`. Who is silent for long is asked, and who does not answer is left. */
export function openSocket({ sessionId, afterSeq, epoch }: Position, events: TransportEvents): Transport {
  const query = new URLSearchParams({ session_id: sessionId })
  if (afterSeq !== undefined) query.set('after_seq', String(afterSeq))
  if (afterSeq !== undefined && epoch) query.set('epoch', epoch)
  const address = new URL(`/api/ws?${query.toString()}`, window.location.href)
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
  const { token } = access.get()
  const socket = new WebSocket(address, ['orchestratai.v1', ...(token ? [`bearer.${token}`] : [])])

  let wasOpen = false
  let hasEnded = false
  let timer = setTimeout(() => end(1006), OPEN_MS)

  const end = (code: number) => {
    if (hasEnded) return
    hasEnded = true
    clearTimeout(timer)
    socket.onopen = socket.onmessage = socket.onclose = null
    // A connection that has gone away does not end its closing handshake either, so nobody waits for it.
    socket.close()
    events.onEnd({ code, wasOpen })
  }
  const listen = (silenceMs: number) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      send({ type: 'ping' })
      timer = setTimeout(() => end(1006), ANSWER_MS)
    }, silenceMs)
  }
  const send = (command: ClientCommand) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ data: {}, ...command }))
  }
  socket.onopen = () => {
    wasOpen = true
    listen(SILENCE_MS)
    events.onOpen()
  }
  socket.onmessage = (message: MessageEvent<unknown>) => {
    listen(SILENCE_MS)
    events.onFrame(typeof message.data === 'string' ? parseFrame(message.data) : { kind: 'invalid', problem: 'no text' })
  }
  socket.onclose = ({ code }) => end(code)

  return {
    send,
    probe: () => {
      if (wasOpen && !hasEnded) listen(0)
    },
    close: () => {
      hasEnded = true
      clearTimeout(timer)
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
    },
  }
}
