import * as z from 'zod/mini'
import type * as wire from '@/api/generated/wire'
import { Agent, AgentId, AgentStatus, ChatMetrics, ChatSession, Citation, Message, RetrievalLog } from '@/api/schemas/domain'
import { ErrorCode } from '@/api/schemas/error'
import type { Same } from '@/api/schemas/same'

const durable = { seq: z.number(), sessionId: z.string(), turnId: z.exactOptional(z.string()), at: z.string() }
const transient = { sessionId: z.string(), turnId: z.exactOptional(z.string()), at: z.string() }
const event = <T extends string, D extends z.ZodMiniType>(type: T, data: D) =>
  z.object({ ...durable, type: z.literal(type), data })
const signal = <T extends string, D extends z.ZodMiniType>(type: T, data: D) =>
  z.object({ ...transient, type: z.literal(type), data })

const Decision = z.enum(['approved', 'rejected'])

const ClientCall = z.object({
  callId: z.string(),
  tool: z.string(),
  arguments: z.unknown(),
  round: z.number(),
  place: z.number(),
  signature: z.exactOptional(z.string()),
})

export const DurableEvent = z.discriminatedUnion('type', [
  event(
    'message_accepted',
    z.object({ message: Message, clientMessageId: z.string(), fresh: z.exactOptional(z.boolean()) }),
  ),
  event('retrieval_log', RetrievalLog),
  event('agent_status', z.object({ agent: AgentId, status: AgentStatus })),
  event('handoff', z.object({ from: AgentId, to: AgentId, reason: z.string(), by: z.exactOptional(z.string()) })),
  event(
    'tool_call',
    z.object({
      callId: z.string(),
      tool: z.string(),
      arguments: z.unknown(),
      status: z.enum(['started', 'succeeded', 'failed']),
      durationMs: z.exactOptional(z.number()),
      result: z.optional(z.unknown()),
      agent: z.exactOptional(AgentId),
    }),
  ),
  event(
    'approval_requested',
    z.object({
      approvalId: z.string(),
      tool: z.string(),
      arguments: z.unknown(),
      reason: z.string(),
      expiresAt: z.string(),
    }),
  ),
  event(
    'approval_resolved',
    z.object({
      approvalId: z.string(),
      decision: Decision,
      by: z.string(),
      reason: z.exactOptional(z.string()),
      arguments: z.optional(z.unknown()),
    }),
  ),
  event(
    'message_completed',
    z.object({
      message: Message,
      metrics: ChatMetrics,
      citations: z.array(Citation),
      calls: z.exactOptional(z.array(ClientCall)),
      incomplete: z.exactOptional(z.enum(['max_tokens', 'refused'])),
    }),
  ),
  event('turn_failed', z.object({ error: z.object({ code: ErrorCode, message: z.string(), retryable: z.boolean() }) })),
  event(
    'turn_cancelled',
    z.object({
      messageId: z.exactOptional(z.string()),
      kept: z.number(),
      upstreamClosedMs: z.exactOptional(z.number()),
      tokensBilled: z.number(),
    }),
  ),
])

export const TransientSignal = z.discriminatedUnion('type', [
  signal(
    'session_ready',
    z.object({
      session: ChatSession,
      agents: z.array(Agent),
      epoch: z.string(),
      lastSeq: z.number(),
      recovered: z.boolean(),
      turn: z.exactOptional(
        z.object({
          id: z.string(),
          state: z.enum(['accepted', 'routing', 'running', 'awaiting_approval']),
          agent: z.exactOptional(AgentId),
          messageId: z.exactOptional(z.string()),
          content: z.string(),
        }),
      ),
    }),
  ),
  signal('message_reset', z.object({ messageId: z.string(), reason: z.string() })),
  signal('message_delta', z.object({ messageId: z.string(), offset: z.number(), delta: z.string() })),
  signal('pong', z.object({})),
  signal('lagging', z.object({ missed: z.number() })),
  signal('server_draining', z.object({ reconnectAfterMs: z.number() })),
  signal(
    'error',
    z.object({
      code: ErrorCode,
      message: z.string(),
      retryable: z.boolean(),
      clientMessageId: z.exactOptional(z.string()),
    }),
  ),
])

export type DurableEvent = z.infer<typeof DurableEvent>
export type TransientSignal = z.infer<typeof TransientSignal>
export type ServerEvent = DurableEvent | TransientSignal

/** The data of each type, compared with the generated one: a difference fails to compile. */
type Bodies<T extends { type: string; data: unknown }> = { [K in T['type']]: Extract<T, { type: K }>['data'] }
type Untyped = 'tool_call' | 'approval_requested' | 'pong'
true satisfies Same<Omit<Bodies<DurableEvent>, Untyped>, Omit<Bodies<wire.DurableEvent>, Untyped>>
true satisfies Same<Omit<Bodies<TransientSignal>, Untyped>, Omit<Bodies<wire.TransientSignal>, Untyped>>
true satisfies Same<DurableEvent['type'] | TransientSignal['type'], wire.ServerEvent['type']>

const TYPES: ReadonlySet<string> = new Set<wire.ServerEvent['type']>([
  'message_accepted',
  'retrieval_log',
  'agent_status',
  'handoff',
  'tool_call',
  'approval_requested',
  'approval_resolved',
  'message_completed',
  'turn_failed',
  'turn_cancelled',
  'session_ready',
  'message_reset',
  'message_delta',
  'pong',
  'lagging',
  'server_draining',
  'error',
])

export type ParsedFrame =
  | { kind: 'event'; event: ServerEvent }
  /** Of a type that is not for us, as the protocol allows. */
  | { kind: 'unknown'; type: string; seq: number | undefined }
  | { kind: 'invalid'; problem: string }

const Frame = z.object({ type: z.string(), seq: z.exactOptional(z.number()) })

/** Takes any text that came over the wire. */
export function parseFrame(text: string): ParsedFrame {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: 'invalid', problem: 'no JSON' }
  }
  return parseEvent(value)
}

export function parseEvent(value: unknown): ParsedFrame {
  const frame = z.safeParse(Frame, value)
  if (!frame.success) return { kind: 'invalid', problem: 'no frame' }
  const { type, seq } = frame.data
  if (!TYPES.has(type)) return { kind: 'unknown', type, seq }
  const parsed = seq === undefined ? z.safeParse(TransientSignal, value) : z.safeParse(DurableEvent, value)
  if (parsed.success) return { kind: 'event', event: parsed.data }
  const issue = parsed.error.issues[0]
  return { kind: 'invalid', problem: `${type}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}` }
}
