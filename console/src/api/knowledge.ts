import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import * as z from 'zod/mini'
import { request, requestNothing } from '@/api/http'
import {
  Collection,
  DocumentInfo,
  KnowledgeSearch,
  UnansweredQuestion,
  WholeDocument,
  type QuestionState,
} from '@/api/schemas/knowledge'

/** All that is read of the knowledge base begins so, for a change of it to throw away. */
export const KNOWLEDGE_KEY = ['knowledge'] as const

const PAGE = 50

const Collections = z.object({ collections: z.array(Collection), hasMore: z.boolean() })

export const collectionsQuery = queryOptions({
  queryKey: [...KNOWLEDGE_KEY, 'collections'],
  queryFn: async ({ signal }) => (await request('/api/knowledge/collections', Collections, { signal })).collections,
})

const Documents = z.object({ documents: z.array(DocumentInfo), hasMore: z.boolean() })

export type DocumentFilter = { collection?: string | undefined; query?: string | undefined }
type DocumentPage = { documents: DocumentInfo[]; before: string | undefined }

/** Pages from the newest document back. */
export const documentsQuery = (filter: DocumentFilter) =>
  infiniteQueryOptions({
    queryKey: [...KNOWLEDGE_KEY, 'documents', filter],
    queryFn: ({ signal, pageParam }) => documentPage(filter, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.before,
  })

/** The newest documents before `before` whose title or path holds what is looked for, newest first. */
async function documentPage({ collection, query }: DocumentFilter, before: string | undefined, signal: AbortSignal): Promise<DocumentPage> {
  const page = await request('/api/knowledge/documents', Documents, { signal, query: { collection, search: query, limit: PAGE, before } })
  return { documents: [...page.documents].reverse(), before: page.hasMore ? page.documents[0]?.id : undefined }
}

const documentPath = (id: string) => `/api/knowledge/documents/${encodeURIComponent(id)}`

export const documentQuery = (id: string) =>
  queryOptions({
    queryKey: [...KNOWLEDGE_KEY, 'document', id],
    queryFn: ({ signal }) => request(documentPath(id), WholeDocument, { signal }),
  })

export function deleteDocument(id: string): Promise<void> {
  return requestNothing(documentPath(id), { method: 'DELETE' })
}

export type SearchWish = { query: string; collection?: string | undefined; limit: number }

export const searchQuery = (wish: SearchWish) =>
  queryOptions({
    queryKey: [...KNOWLEDGE_KEY, 'search', wish],
    queryFn: ({ signal }) => request('/api/knowledge/search', KnowledgeSearch, { method: 'POST', body: wish, signal }),
    // Ranks that are looked at do not move by themselves; asking again is a button.
    staleTime: Infinity,
  })

const Questions = z.object({ questions: z.array(UnansweredQuestion), hasMore: z.boolean() })

/** Pages from the newest question back; each page has its newest last. */
export const questionsQuery = (state: QuestionState) =>
  infiniteQueryOptions({
    queryKey: ['questions', state],
    queryFn: ({ signal, pageParam }) =>
      request('/api/knowledge/questions', Questions, { signal, query: { state, limit: PAGE, before: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => (last.hasMore ? last.questions[0]?.id : undefined),
  })

export function changeQuestion(
  id: string,
  change: { state: QuestionState; note?: string | null },
): Promise<UnansweredQuestion> {
  return request(`/api/knowledge/questions/${encodeURIComponent(id)}`, UnansweredQuestion, { method: 'PATCH', body: change })
}
