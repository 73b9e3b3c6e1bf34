import type { RankedChunk, Scores } from '@/api/schemas/knowledge'

/** Who ranks: the words (BM25), the embedding, the transformer where it was asked, and all together. */
export const RANKERS = ['bm25', 'vector', 'transformer', 'fused'] as const
export type Ranker = (typeof RANKERS)[number]

/** A chunk with its rank by each ranker, from 1; a ranker that says nothing of it gives it none. */
export type Ranked = { chunk: RankedChunk; key: string; ranks: Partial<Record<Ranker, number>> }

export function score(scores: Scores, ranker: Ranker): number | undefined {
  switch (ranker) {
    case 'bm25':
      // A chunk without any of the words is not the last by words: it is none.
      return scores.bm25 > 0 ? scores.bm25 : undefined
    case 'vector':
      return scores.cosine
    case 'transformer':
      return scores.transformer
    case 'fused':
      return scores.fused
  }
}

/** Ranks what was found by each ranker. `fused` is the server's own order. */
export function ranked(chunks: readonly RankedChunk[]): Ranked[] {
  const all = chunks.map((chunk, at): Ranked => ({ chunk, key: `${chunk.id}`, ranks: { fused: at + 1 } }))
  for (const ranker of RANKERS) {
    if (ranker === 'fused') continue
    const order = all
      .map((one) => ({ one, score: score(one.chunk.metadata.scores, ranker) }))
      .filter((entry): entry is { one: Ranked; score: number } => entry.score !== undefined)
      // Stable: what is equal stays in the order of all together.
      .sort((a, b) => b.score - a.score)
    order.forEach(({ one }, at) => {
      one.ranks[ranker] = at + 1
    })
  }
  return all
}

/** The best of one ranker, best first. */
export function best(all: readonly Ranked[], ranker: Ranker, count: number): Ranked[] {
  return all
    .filter((one) => one.ranks[ranker] !== undefined)
    .sort((a, b) => (a.ranks[ranker] ?? 0) - (b.ranks[ranker] ?? 0))
    .slice(0, count)
}

/** The rankers that have said something. */
export function asked(all: readonly Ranked[]): Ranker[] {
  return RANKERS.filter((ranker) => all.some((one) => one.ranks[ranker] !== undefined))
}
