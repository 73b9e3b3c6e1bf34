import * as z from 'zod/mini'
import type { components } from '@/api/generated/rest'
import { AgentId, DocumentChunk } from '@/api/schemas/domain'
import type { Same } from '@/api/schemas/same'

export const Collection = z.object({
  name: z.string(),
  documents: z.number(),
  chunks: z.number(),
  updatedAt: z.exactOptional(z.string()),
  agents: z.array(AgentId),
})
export type Collection = z.infer<typeof Collection>

const documentInfo = {
  id: z.string(),
  collection: z.string(),
  root: z.string(),
  path: z.string(),
  title: z.string(),
  revision: z.number(),
  createdAt: z.string(),
  updatedAt: z.string(),
}
export const DocumentInfo = z.object(documentInfo)
export type DocumentInfo = z.infer<typeof DocumentInfo>

export const DocumentPart = z.object({
  id: z.number(),
  headings: z.array(z.string()),
  content: z.string(),
  /** Where it stands in the document's content, in UTF-8 bytes. */
  start: z.exactOptional(z.number()),
  end: z.exactOptional(z.number()),
})
export type DocumentPart = z.infer<typeof DocumentPart>

export const WholeDocument = z.object({
  ...documentInfo,
  content: z.string(),
  chunks: z.array(DocumentPart),
})
export type WholeDocument = z.infer<typeof WholeDocument>

export const UploadReport = z.object({
  documents: z.array(z.string()),
  added: z.number(),
  updated: z.number(),
  unchanged: z.number(),
  problems: z.array(z.object({ path: z.string(), reason: z.string(), skipped: z.boolean() })),
  revision: z.number(),
})
export type UploadReport = z.infer<typeof UploadReport>

/** What each ranker says of a chunk; what did not read it says nothing. */
export const Scores = z.object({
  cosine: z.number(),
  bm25: z.number(),
  bm25Reachable: z.number(),
  passage: z.optional(z.number()),
  said: z.optional(z.number()),
  document: z.optional(z.number()),
  transformer: z.optional(z.number()),
  fused: z.number(),
})
export type Scores = z.infer<typeof Scores>

/** A chunk of the playground: unlike a turn's, it always says where it is from and what each ranker says of it. */
export const RankedChunk = z.object({
  ...DocumentChunk.shape,
  metadata: z.object({
    title: z.string(),
    headings: z.array(z.string()),
    collection: z.string(),
    documentId: z.string(),
    scores: Scores,
  }),
})
export type RankedChunk = z.infer<typeof RankedChunk>

export const KnowledgeSearch = z.object({
  chunks: z.array(RankedChunk),
  secondStage: z.exactOptional(z.string()),
  secondStageMs: z.exactOptional(z.number()),
  tookMs: z.exactOptional(z.number()),
  corrections: z.exactOptional(z.array(z.object({ from: z.string(), to: z.string() }))),
})
export type KnowledgeSearch = z.infer<typeof KnowledgeSearch>

export const QuestionState = z.enum(['open', 'done'])
export type QuestionState = z.infer<typeof QuestionState>

export const UnansweredQuestion = z.object({
  id: z.string(),
  question: z.string(),
  sessionId: z.string(),
  turnId: z.string(),
  agent: AgentId,
  askedAt: z.string(),
  confidence: z.number(),
  state: QuestionState,
  note: z.exactOptional(z.string()),
})
export type UnansweredQuestion = z.infer<typeof UnansweredQuestion>

type Rest = components['schemas']
true satisfies Same<Collection, Rest['CollectionInfo']>
true satisfies Same<DocumentInfo, Rest['DocumentInfo']>
true satisfies Same<WholeDocument, Rest['DocumentText']>
true satisfies Same<DocumentPart, Rest['ChunkPlace']>
true satisfies Same<UploadReport, Rest['UploadAnswer']>
true satisfies Same<UnansweredQuestion, Rest['UnansweredQuestion']>
true satisfies Same<QuestionState, Rest['QuestionState']>
// Of the metadata the API document says no more than that it is an object; ours is what the server promises of a search.
true satisfies Same<Omit<RankedChunk, 'metadata'>, Omit<Rest['DocumentChunk'], 'metadata'>>
