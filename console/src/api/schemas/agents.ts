import * as z from 'zod/mini'
import type { components } from '@/api/generated/rest'
import { AgentColor, AgentId, Citation, RetrievalLog } from '@/api/schemas/domain'
import { ErrorCode } from '@/api/schemas/error'
import type { Same } from '@/api/schemas/same'

export const Strategy = z.enum(['pure_rag', 'pure_cag', 'hybrid', 'direct'])
export type Strategy = z.infer<typeof Strategy>

export const Filter = z.array(z.object({ field: z.string(), values: z.array(z.string()) }))

/** What an agent's file says, as it is served: the file's keys in camelCase, the file's words. */
export const AgentDefinition = z.object({
  id: AgentId,
  name: z.string(),
  purpose: z.string(),
  color: AgentColor,
  strategy: Strategy,
  complexStrategy: z.exactOptional(Strategy),
  model: z.string(),
  prompt: z.string(),
  keywords: z.array(z.string()),
  collections: z.array(z.string()),
  filter: Filter,
  tools: z.array(z.string()),
  fallbacks: z.array(AgentId),
  handOffs: z.array(AgentId),
  agents: z.array(AgentId),
  limits: z.object({
    concurrencyTurns: z.number(),
    queueTurns: z.number(),
    timeoutSeconds: z.number(),
    answerCharacters: z.number(),
  }),
  blockedTopics: z.exactOptional(z.array(z.object({ name: z.string(), examples: z.array(z.string()), say: z.string() }))),
  examples: z.array(z.object({ intent: z.string(), case: z.exactOptional(z.string()), texts: z.array(z.string()) })),
  direct: z.exactOptional(z.record(z.string(), z.string())),
  version: z.string(),
  models: z.exactOptional(z.array(z.string())),
})
export type AgentDefinition = z.infer<typeof AgentDefinition>

const Failure = z.object({ code: ErrorCode, message: z.string(), retryable: z.boolean() })

export const AgentTurn = z.object({
  turnId: z.string(),
  sessionId: z.string(),
  question: z.string(),
  outcome: z.enum(['completed', 'failed', 'cancelled']),
  confidence: z.exactOptional(z.number()),
  latencyMs: z.number(),
  tokensUsed: z.number(),
  /** Left out where it is not known of the turn alone. */
  cost: z.exactOptional(z.number()),
  /** Left out where there is no answer. */
  cacheStatus: z.exactOptional(z.enum(['hit', 'miss', 'none'])),
  startedAt: z.string(),
  error: z.exactOptional(Failure),
})
export type AgentTurn = z.infer<typeof AgentTurn>

export const Trial = z.object({
  /** As far as it came. */
  answer: z.string(),
  confidence: z.exactOptional(z.number()),
  citations: z.array(Citation),
  logs: z.array(RetrievalLog),
  latencyMs: z.number(),
  tokensUsed: z.number(),
  cost: z.number(),
  error: z.exactOptional(Failure),
})
export type Trial = z.infer<typeof Trial>

export const Trials = z.object({ current: Trial, draft: z.exactOptional(Trial) })
export type Trials = z.infer<typeof Trials>

/** The part of a definition that a trial may have otherwise. */
export type Draft = Partial<
  Pick<AgentDefinition, 'purpose' | 'strategy' | 'model' | 'prompt' | 'collections' | 'direct'> & {
    complexStrategy: Strategy | null
  }
>

type Rest = components['schemas']
true satisfies Same<AgentDefinition, Rest['DefinitionBody']>
true satisfies Same<AgentTurn, Rest['AgentTurn']>
// Steps are those of the chat, which are held against the wire there: the API document says of a step's data less than it is.
true satisfies Same<Omit<Trial, 'logs'>, Omit<Rest['TrialBody'], 'logs'>>
true satisfies Same<keyof Trials, keyof Rest['TrialAnswer']>
