import { describe, expect, it } from 'vitest'
import type { RankedChunk, Scores } from '@/api/schemas/knowledge'
import { asked, best, ranked } from './ranking'

const chunk = (id: number, scores: Partial<Scores>): RankedChunk => ({
  id,
  content: `Passage ${id}`,
  similarity: 0.5,
  source: 'a.md',
  metadata: {
    title: 'A',
    headings: [],
    collection: 'technical',
    documentId: 'd',
    scores: { cosine: 0, bm25: 0, bm25Reachable: 10, fused: 1 - id / 10, ...scores },
  },
})
const ids = (all: ReturnType<typeof ranked>) => all.map((one) => one.chunk.id)

describe('the ranks of what was found', () => {
  const all = ranked([
    chunk(0, { bm25: 2, cosine: 0.9 }),
    chunk(1, { bm25: 7, cosine: 0.2 }),
    chunk(2, { bm25: 0, cosine: 0.9 }),
    chunk(3, { bm25: 1, cosine: 0.95 }),
  ])

  it('are those of each ranker by itself, equal ones in the order of all together', () => {
    expect(ids(best(all, 'bm25', 10))).toEqual([1, 0, 3])
    expect(ids(best(all, 'vector', 10))).toEqual([3, 0, 2, 1])
    expect(ids(best(all, 'fused', 2))).toEqual([0, 1])
    expect(all[2]?.ranks).toEqual({ vector: 3, fused: 3 })
  })

  it('name the transformer only where it was asked', () => {
    expect(asked(all)).toEqual(['bm25', 'vector', 'fused'])
    expect(asked(ranked([chunk(0, { transformer: 0.4 })]))).toEqual(['vector', 'transformer', 'fused'])
    expect(asked([])).toEqual([])
  })
})
