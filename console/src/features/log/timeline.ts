import type { LogStatus, LogType } from '@/api/generated/wire'
import type { Turn } from '@/api/socket/view'
import { agentOfStep } from './steps'

/** Something in a turn that took time, or happened at a moment; times in milliseconds since the message was accepted. */
export type Span = {
  key: string
  kind: LogType | 'agent' | 'tool' | 'answer' | 'handoff' | 'approval'
  label: string
  agent: string | undefined
  from: number
  to: number
  status: LogStatus
}

/**
 * A turn as it went. What is measured is taken as it is (the latency of a search, how long a tool ran, how long an agent was
 * active); a step without a duration is a moment.
 */
export function timeline(turn: Turn): { spans: Span[]; duration: number } {
  const first = [turn.acceptedAt, turn.steps[0]?.log.timestamp, turn.notes[0]?.at].find((at) => at !== undefined)
  if (first === undefined) return { spans: [], duration: 0 }
  const began = Date.parse(first)
  const since = (at: string) => Math.max(0, Date.parse(at) - began)
  const spans: Span[] = []
  for (const step of turn.steps) {
    const { log } = step
    const to = since(log.timestamp)
    const took = log.type === 'vector_search' ? log.data.latency : 0
    spans.push({
      key: log.id,
      kind: log.type,
      label: log.title,
      agent: agentOfStep(turn, step),
      from: Math.max(0, to - took),
      to,
      status: log.status,
    })
  }
  const end = turn.outcome ? since(turn.outcome.at) : Math.max(0, ...spans.map((span) => span.to), ...turn.notes.map((note) => since(note.at)))
  for (const note of turn.notes) {
    const at = since(note.at)
    switch (note.type) {
      case 'agent_status': {
        const { agent, status } = note.data
        if (status !== 'active' && status !== 'routing') break
        const done = turn.notes.find(
          (other) => other.seq > note.seq && other.type === 'agent_status' && other.data.agent === agent && other.data.status !== status,
        )
        spans.push({ key: String(note.seq), kind: 'agent', label: agent, agent, from: at, to: done ? since(done.at) : end, status: 'success' })
        break
      }
      case 'tool_call': {
        if (note.data.status === 'started') break
        const took = note.data.durationMs ?? 0
        spans.push({
          key: String(note.seq),
          kind: 'tool',
          label: note.data.tool,
          agent: note.data.agent ?? turn.agent,
          from: Math.max(0, at - took),
          to: at,
          status: note.data.status === 'failed' ? 'error' : 'success',
        })
        break
      }
      case 'handoff':
        spans.push({ key: String(note.seq), kind: 'handoff', label: `${note.data.from} → ${note.data.to}`, agent: note.data.to, from: at, to: at, status: 'success' })
        break
      case 'approval_requested': {
        const done = turn.notes.find((other) => other.type === 'approval_resolved' && other.data.approvalId === note.data.approvalId)
        spans.push({ key: String(note.seq), kind: 'approval', label: note.data.tool, agent: turn.agent, from: at, to: done ? since(done.at) : end, status: 'warning' })
        break
      }
      case 'approval_resolved':
    }
  }
  if (turn.answer) {
    const from = turn.firstDeltaAt === undefined ? end : Math.min(end, since(turn.firstDeltaAt))
    const status = turn.outcome?.kind === 'failed' ? 'error' : turn.outcome?.kind === 'cancelled' ? 'warning' : 'success'
    spans.push({ key: 'answer', kind: 'answer', label: '', agent: turn.answer.message?.agent ?? turn.agent, from, to: end, status })
  }
  spans.sort((one, other) => one.from - other.from || one.to - other.to)
  return { spans, duration: Math.max(end, ...spans.map((span) => span.to)) }
}
