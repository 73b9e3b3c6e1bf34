import { useState } from 'react'
import { useTranslations } from 'use-intl'
import type { CacheLookup, DocumentChunk, DocumentsRead, QueryAnalysis, RetrievalLog, VectorSearch } from '@/api/generated/wire'
import { Badge } from '@/ui/badge'
import { useFigures } from '@/ui/figures'
import { Meter } from '@/ui/meter'
import { headingsOf, passageOf, type Passage } from './passage'
import { RunnersUp } from './runners-up'

type OnOpen = (passage: Passage) => void

const CHUNKS_AT_FIRST = 3

/** All that is known of a step. */
export function StepBody({ log, question, onOpen }: { log: RetrievalLog; question: string | undefined; onOpen: OnOpen }) {
  switch (log.type) {
    case 'routing':
      return <Routing data={log.data} question={question} />
    case 'vector_search':
      return <Search data={log.data} onOpen={onOpen} />
    case 'cache':
      return (
        <>
          <Cache data={log.data} />
          {log.chunks && <Chunks chunks={log.chunks} onOpen={onOpen} />}
        </>
      )
    case 'documents':
      return <Documents data={log.data} onOpen={onOpen} />
  }
}

function Routing({ data, question }: { data: QueryAnalysis; question: string | undefined }) {
  const t = useTranslations('log')
  const figures = useFigures()
  return (
    <div className="flex flex-col gap-2">
      <Facts
        facts={[
          [t('intent'), <Badge key="intent">{t(`intents.${data.intent}`)}</Badge>],
          [t('target'), data.target_agent],
          ...(data.confidence === 0
            ? []
            : [
                [
                  t('confidence'),
                  <span key="confidence" className="flex items-center gap-2">
                    <Meter value={data.confidence} label={t('confidence')} className="w-20" />
                    {figures.percent(data.confidence)}
                  </span>,
                ] as const,
              ]),
          ...(data.attempt === undefined ? [] : [[t('attempt'), figures.count(data.attempt)] as const]),
        ]}
      />
      <p className="text-sm text-muted [unicode-bidi:isolate]" dir="auto">
        {data.reasoning}
      </p>
      {question !== undefined && <RunnersUp question={question} chosen={data.target_agent} />}
    </div>
  )
}

function Search({ data, onOpen }: { data: VectorSearch; onOpen: OnOpen }) {
  const t = useTranslations('log')
  const figures = useFigures()
  return (
    <div className="flex flex-col gap-2">
      <Facts
        facts={[
          [t('collection'), data.collection],
          [t('found'), figures.count(data.chunks_retrieved)],
          [t('latency'), figures.duration(data.latency)],
        ]}
      />
      <Chunks chunks={data.chunks} onOpen={onOpen} />
    </div>
  )
}

function Chunks({ chunks, onOpen }: { chunks: readonly DocumentChunk[]; onOpen: OnOpen }) {
  const t = useTranslations('log')
  const figures = useFigures()
  const [showsAll, setShowsAll] = useState(false)
  const shown = showsAll ? chunks : chunks.slice(0, CHUNKS_AT_FIRST)
  return (
    <ol aria-label={t('chunks')} className="flex flex-col gap-1.5">
      {shown.map((chunk) => (
        <li key={chunk.id}>
          <button
            type="button"
            onClick={() => onOpen(passageOf(chunk))}
            className="w-full rounded-control border border-line px-2.5 py-1.5 text-left hover:border-line-strong hover:bg-hover"
          >
            <span className="flex items-center gap-2 text-xs">
              <span className="min-w-0 grow truncate font-mono text-muted" title={chunk.source}>
                {chunk.source}
              </span>
              <Meter value={chunk.similarity} label={t('similarity')} tone="agent" className="w-14" />
              <span className="w-9 text-right tabular-nums">{figures.percent(chunk.similarity)}</span>
            </span>
            {headingsOf(chunk.metadata).length > 0 && (
              <span className="mt-0.5 block truncate text-sm font-medium">{headingsOf(chunk.metadata).join(' › ')}</span>
            )}
            <span dir="auto" className="mt-0.5 line-clamp-2 text-sm text-muted [unicode-bidi:isolate] wrap-anywhere">
              {chunk.content.slice(0, 400)}
            </span>
          </button>
        </li>
      ))}
      {chunks.length > CHUNKS_AT_FIRST && (
        <li>
          <button
            type="button"
            onClick={() => setShowsAll(!showsAll)}
            className="min-h-6 text-sm font-medium text-accent-text underline-offset-2 hover:underline"
          >
            {showsAll ? t('fewer') : t('allChunks', { count: chunks.length })}
          </button>
        </li>
      )}
    </ol>
  )
}

function Cache({ data }: { data: CacheLookup }) {
  const t = useTranslations('log')
  const figures = useFigures()
  return (
    <div className="flex flex-col gap-2">
      <Facts
        facts={[
          [t('outcome'), <Badge key="outcome" tone={data.status === 'hit' ? 'success' : 'neutral'}>{t(`cacheOutcome.${data.status}`)}</Badge>],
          ...(data.similarity === undefined
            ? []
            : [
                [
                  t('nearest'),
                  <span key="nearest" className="flex items-center gap-2">
                    <Meter value={data.similarity} label={t('nearest')} className="w-20" />
                    {figures.percent(data.similarity)}
                  </span>,
                ] as const,
              ]),
          [t('hitRate'), figures.percent(data.hit_rate)],
          [t('entries'), figures.count(data.size)],
        ]}
      />
      {data.reason !== undefined && (
        <p dir="auto" className="text-sm text-muted [unicode-bidi:isolate]">
          {data.reason}
        </p>
      )}
    </div>
  )
}

function Documents({ data, onOpen }: { data: DocumentsRead; onOpen: OnOpen }) {
  const t = useTranslations('log')
  const figures = useFigures()
  if (data.documents.length === 0) return <p className="text-sm text-muted">{t('nothingNear')}</p>
  return (
    <ol aria-label={t('documentsRead')} className="flex flex-col gap-1.5">
      {data.documents.map((document) => (
        <li key={document.chunkId}>
          <button
            type="button"
            onClick={() => onOpen({ source: document.source, headings: document.headingPath })}
            className="w-full rounded-control border border-line px-2.5 py-1.5 text-left hover:border-line-strong hover:bg-hover"
          >
            <span className="flex items-center gap-2 text-xs">
              <span className="min-w-0 grow truncate font-mono text-muted">{document.source}</span>
              <Meter value={document.similarity} label={t('similarity')} tone="agent" className="w-14" />
              <span className="w-9 text-right tabular-nums">{figures.percent(document.similarity)}</span>
            </span>
            <span className="mt-0.5 block text-sm font-medium">{document.headingPath.join(' › ')}</span>
            <span className="block text-sm text-muted">{document.reason}</span>
          </button>
        </li>
      ))}
    </ol>
  )
}

function Facts({ facts }: { facts: readonly (readonly [string, React.ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[auto_1fr] items-center gap-x-3 gap-y-1 text-sm tabular-nums">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 wrap-anywhere">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
