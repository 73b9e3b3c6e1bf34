import * as z from 'zod/mini'
import type * as wire from '@/api/generated/wire'
import type { Same } from '@/api/schemas/same'

/** `[a-z][a-z0-9_-]{0,63}`: agents come from configuration, so an id is any such word. */
export const AgentId = z.string()
export const AgentStatus = z.enum(['idle', 'routing', 'active', 'complete'])
export const AgentColor = z.enum(['cyan', 'green', 'blue', 'purple'])
export const RetrievalStrategy = z.enum(['Pure RAG', 'Pure CAG', 'Hybrid RAG/CAG'])

export const Agent = z.object({
  id: AgentId,
  name: z.string(),
  status: AgentStatus,
  model: z.string(),
  strategy: z.exactOptional(RetrievalStrategy),
  color: AgentColor,
  tokensUsed: z.number(),
  cost: z.number(),
  cached: z.exactOptional(z.boolean()),
})

export const Message = z.object({
  id: z.string(),
  role: z.enum(['user', 'assistant']),
  content: z.string(),
  agent: z.exactOptional(AgentId),
  confidence: z.exactOptional(z.number()),
  timestamp: z.string(),
  sessionId: z.string(),
})

export const Citation = z.object({ index: z.number(), chunkId: z.number(), source: z.string() })

export const ChatSession = z.object({
  id: z.string(),
  userId: z.exactOptional(z.string()),
  startTime: z.string(),
  lastActivity: z.string(),
  totalTokens: z.number(),
  totalCost: z.number(),
  messageCount: z.number(),
})

export const ChatMetrics = z.object({
  tokensUsed: z.number(),
  promptTokens: z.exactOptional(z.number()),
  completionTokens: z.exactOptional(z.number()),
  cost: z.number(),
  unpricedTokens: z.exactOptional(z.number()),
  latency: z.number(),
  cache_status: z.enum(['hit', 'miss', 'none']),
})

export const DocumentChunk = z.object({
  id: z.number(),
  content: z.string(),
  similarity: z.number(),
  source: z.string(),
  metadata: z.exactOptional(z.record(z.string(), z.unknown())),
})

export const QueryAnalysis = z.object({
  intent: z.enum([
    'META_QUESTION',
    'SIMPLE_CHAT',
    'PRICING_QUESTION',
    'POLICY_QUESTION',
    'DOMAIN_QUESTION',
    'COMPLEX_QUESTION',
  ]),
  confidence: z.number(),
  target_agent: AgentId,
  reasoning: z.string(),
  attempt: z.exactOptional(z.number()),
})

export const VectorSearch = z.object({
  collection: z.string(),
  chunks_retrieved: z.number(),
  chunks: z.array(DocumentChunk),
  latency: z.number(),
})

export const CacheLookup = z.object({
  status: z.enum(['hit', 'miss']),
  hit_rate: z.number(),
  size: z.number(),
  reason: z.exactOptional(z.string()),
  similarity: z.exactOptional(z.number()),
})

export const DocumentsRead = z.object({
  documents: z.array(
    z.object({
      chunkId: z.number(),
      source: z.string(),
      headingPath: z.array(z.string()),
      similarity: z.number(),
      reason: z.string(),
    }),
  ),
  revision: z.number(),
})

const step = {
  id: z.string(),
  title: z.string(),
  timestamp: z.string(),
  status: z.enum(['success', 'warning', 'error']),
  chunks: z.exactOptional(z.array(DocumentChunk)),
  sessionId: z.string(),
  messageId: z.string(),
  agent: z.exactOptional(AgentId),
}

export const RetrievalLog = z.discriminatedUnion('type', [
  z.object({ ...step, type: z.literal('routing'), data: QueryAnalysis }),
  z.object({ ...step, type: z.literal('vector_search'), data: VectorSearch }),
  z.object({ ...step, type: z.literal('cache'), data: CacheLookup }),
  z.object({ ...step, type: z.literal('documents'), data: DocumentsRead }),
])

true satisfies Same<z.infer<typeof Agent>, wire.Agent>
true satisfies Same<z.infer<typeof Message>, wire.Message>
true satisfies Same<z.infer<typeof Citation>, wire.Citation>
true satisfies Same<z.infer<typeof ChatSession>, wire.ChatSession>
true satisfies Same<z.infer<typeof ChatMetrics>, wire.ChatMetrics>
true satisfies Same<z.infer<typeof RetrievalLog>, wire.RetrievalLog>
