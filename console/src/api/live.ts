import * as z from 'zod/mini'
import type * as wire from '@/api/generated/wire'
import { request } from '@/api/http'
import { AgentId, ChatSession, Message } from '@/api/schemas/domain'
import type { Same } from '@/api/schemas/same'

const PersonInCharge = z.object({ name: z.string(), since: z.string() })
export type PersonInCharge = z.infer<typeof PersonInCharge>

const PersonWanted = z.object({ agent: z.exactOptional(AgentId), reason: z.string(), since: z.string() })
export type PersonWanted = z.infer<typeof PersonWanted>

const LiveTurn = z.object({
  turnId: z.string(),
  state: z.enum(['accepted', 'routing', 'running', 'awaiting_approval']),
  agent: z.exactOptional(AgentId),
  startedAt: z.string(),
  question: z.string(),
})

/** A session in progress: somebody follows it, a turn of it has not ended, or an agent has asked for a person. */
export const LiveSession = z.object({
  session: ChatSession,
  state: z.enum(['idle', 'running', 'person']),
  turn: z.exactOptional(LiveTurn),
  openTurns: z.number(),
  clients: z.number(),
  person: z.exactOptional(PersonInCharge),
  personWanted: z.exactOptional(PersonWanted),
  node: z.exactOptional(z.string()),
})
export type LiveSession = z.infer<typeof LiveSession>

export const LiveSessions = z.object({
  sessions: z.array(LiveSession),
  total: z.number(),
  hasMore: z.boolean(),
  missingNodes: z.exactOptional(z.array(z.string())),
})
export type LiveSessions = z.infer<typeof LiveSessions>

export const LiveChanges = z.object({
  changed: z.array(LiveSession),
  gone: z.array(z.string()),
  total: z.number(),
  missingNodes: z.exactOptional(z.array(z.string())),
})
export type LiveChanges = z.infer<typeof LiveChanges>

true satisfies Same<LiveSessions, wire.LiveSessions>
true satisfies Same<LiveChanges, wire.LiveChanges>

/** So many sessions are listed at most. */
export const LIVE_SESSIONS_MAX = 200

/** Pure: the sessions in progress after a change. */
export function withChanges(live: LiveSessions, { changed, gone, total, missingNodes }: LiveChanges): LiveSessions {
  const replaced = new Set([...gone, ...changed.map((one) => one.session.id)])
  const sessions = [...changed, ...live.sessions.filter((one) => !replaced.has(one.session.id))].sort(byActivity)
  return { sessions, total, hasMore: total > sessions.length, ...(missingNodes ? { missingNodes } : {}) }
}

/** The latest active first; the ids decide where that says nothing, so that no two rows change places for no reason. */
function byActivity(one: LiveSession, other: LiveSession): number {
  const times = Date.parse(other.session.lastActivity) - Date.parse(one.session.lastActivity)
  return times || (one.session.id < other.session.id ? -1 : 1)
}

export function readLive(signal: AbortSignal): Promise<LiveSessions> {
  return request('/api/live', LiveSessions, { query: { limit: LIVE_SESSIONS_MAX }, signal })
}

const place = (sessionId: string, what: string) => `/api/session/${encodeURIComponent(sessionId)}/${what}`

const Takeover = z.object({ sessionId: z.string(), person: PersonInCharge })

/** Takes a session from the agents. Refused (CONFLICT) while somebody of another name has it. */
export async function takeOver(
  sessionId: string,
  takeover: { name: string; reason?: string; interrupt?: boolean },
): Promise<PersonInCharge> {
  return (await request(place(sessionId, 'takeover'), Takeover, { method: 'POST', body: takeover })).person
}

const Reply = z.object({ turnId: z.string(), message: Message, seq: z.number(), repeated: z.boolean() })
export type Reply = z.infer<typeof Reply>

/** Says something as the person who has the session. The same `clientMessageId` says it once, however often it is sent. */
export function replyAsPerson(
  sessionId: string,
  reply: { content: string; clientMessageId: string; turnId?: string },
): Promise<Reply> {
  return request(place(sessionId, 'reply'), Reply, { method: 'POST', body: reply })
}

const Released = z.object({ sessionId: z.string(), at: z.string() })

/** Gives a session back to the agents, who answer what waits. */
export function release(sessionId: string, how: { name?: string; reason?: string }): Promise<z.infer<typeof Released>> {
  return request(place(sessionId, 'release'), Released, { method: 'POST', body: how })
}
