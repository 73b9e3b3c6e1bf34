import { Link } from '@tanstack/react-router'
import { FileText } from 'lucide-react'
import { useFormatter, useTranslations } from 'use-intl'
import { passageKey } from '@/lib/passage'
import { Badge } from '@/ui/badge'
import { Card } from '@/ui/card'
import { Meter } from '@/ui/meter'
import { RANKERS, type Ranked } from './ranking'

/** One chunk: its words, its rank by each ranker, and what each says of it. */
export function ChunkDetail({ one }: { one: Ranked }) {
  const t = useTranslations('knowledge.playground')
  const format = useFormatter()
  const { chunk, ranks } = one
  const { title, headings, collection, documentId, scores } = chunk.metadata
  const number = (value: number) => format.number(value, { minimumFractionDigits: 3, maximumFractionDigits: 3 })
  const rows = [
    { key: 'bm25', value: scores.bm25, share: scores.bm25Reachable > 0 ? scores.bm25 / scores.bm25Reachable : 0 },
    { key: 'cosine', value: scores.cosine, share: scores.cosine },
    { key: 'passage', value: scores.passage, share: scores.passage },
    { key: 'said', value: scores.said, share: scores.said },
    { key: 'document', value: scores.document, share: undefined },
    { key: 'transformer', value: scores.transformer, share: scores.transformer },
    { key: 'fused', value: scores.fused, share: undefined },
  ] as const
  return (
    <Card aria-label={t('chosen')} className="xl:sticky xl:top-0">
      <header className="px-4 pt-3.5 pb-2">
        <h2 className="text-base font-semibold break-words">{[title, ...headings].join(' › ')}</h2>
        <p className="mt-1 flex flex-wrap items-center gap-2 text-sm text-muted">
          <Badge>{collection}</Badge>
          <span className="font-mono break-all">{chunk.source}</span>
        </p>
      </header>
      <div className="flex flex-col gap-4 px-4 pb-4">
        {/* What is longer than its frame is scrolled, by the keyboard too. */}
        <div
          role="group"
          aria-label={t('text')}
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          className="max-h-60 overflow-auto rounded-control bg-sunken px-3 py-2 break-words whitespace-pre-wrap"
        >
          {chunk.content}
        </div>
        <Link
          to="/knowledge/documents/$documentId"
          params={{ documentId }}
          search={{ passage: passageKey(chunk.content) }}
          className="inline-flex min-h-6 items-center gap-1.5 self-start font-medium text-accent-text underline underline-offset-2"
        >
          <FileText aria-hidden size={14} />
          {t('inPlace')}
        </Link>
        <dl className="grid grid-cols-[repeat(auto-fit,minmax(4.5rem,1fr))] gap-2">
          {RANKERS.map((ranker) => (
            <div key={ranker} className="rounded-control border border-line px-2 py-1.5">
              <dt className="truncate text-xs text-muted">{t(`rankers.${ranker}`)}</dt>
              <dd className="text-lg font-semibold tabular-nums">{ranks[ranker] ?? '–'}</dd>
            </div>
          ))}
        </dl>
        <dl className="flex flex-col gap-2">
          {rows.map(({ key, value, share }) => (
            <div key={key} className="grid grid-cols-[minmax(0,1fr)_4rem_4rem] items-center gap-x-3">
              <dt className="text-sm text-muted">{t(`scores.${key}`)}</dt>
              <dd>{share !== undefined && <Meter value={share} label={t(`scores.${key}`)} />}</dd>
              <dd className="text-right text-sm font-medium tabular-nums">{value === undefined ? '–' : number(value)}</dd>
            </div>
          ))}
          <div className="grid grid-cols-[minmax(0,1fr)_4rem_4rem] items-center gap-x-3 border-t border-line pt-2">
            <dt className="text-sm font-medium">{t('scores.similarity')}</dt>
            <dd>
              <Meter value={chunk.similarity} label={t('scores.similarity')} tone="success" />
            </dd>
            <dd className="text-right text-sm font-semibold tabular-nums">{number(chunk.similarity)}</dd>
          </div>
        </dl>
      </div>
    </Card>
  )
}
