import { queryOptions } from '@tanstack/react-query'
import * as z from 'zod/mini'
import { ApiError } from '@/api/error'
import { request } from '@/api/http'
import { DocumentInfo, WholeDocument } from '@/api/schemas/knowledge'

const Documents = z.object({ documents: z.array(DocumentInfo) })

/** The document that a citation names by its path; two collections may hold the same path. */
export const citedDocumentQuery = (path: string, collection: string | undefined) =>
  queryOptions({
    queryKey: ['knowledge', 'cited', collection ?? '', path],
    queryFn: async ({ signal }) => {
      const { documents } = await request('/api/knowledge/documents', Documents, {
        query: { path, collection, limit: 1 },
        signal,
      })
      const found = documents[0]
      if (!found) throw new ApiError('NOT_FOUND', `There is no document ${path}.`)
      return request(`/api/knowledge/documents/${encodeURIComponent(found.id)}`, WholeDocument, { signal })
    },
  })
