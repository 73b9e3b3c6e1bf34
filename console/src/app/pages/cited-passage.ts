import type { Turn } from '@/api/socket/view'
import { passageOf, type Passage } from '@/features/log/passage'

/** The chunk that `[index]` stands for, as the turn's own search found it. */
export function citedPassage(turn: Turn, index: number): Passage | undefined {
  const citation = turn.outcome?.kind === 'completed' ? turn.outcome.citations.find((one) => one.index === index) : undefined
  if (!citation) return undefined
  for (const { log } of turn.steps) {
    const chunks = log.type === 'vector_search' ? log.data.chunks : (log.chunks ?? [])
    const chunk = chunks.find((one) => one.id === citation.chunkId && one.source === citation.source)
    if (chunk) return passageOf(chunk)
  }
  return { source: citation.source }
}
