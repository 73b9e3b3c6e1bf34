import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { SearchX, TextSearch } from 'lucide-react'
import { useState } from 'react'
import { useFormatter, useTranslations } from 'use-intl'
import { searchQuery } from '@/api/knowledge'
import type { KnowledgeSearch } from '@/api/schemas/knowledge'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { Skeleton } from '@/ui/skeleton'
import { KnowledgeFrame } from '../knowledge-frame'
import { ChunkDetail } from './chunk-detail'
import { RankColumns } from './rank-columns'
import { asked, ranked } from './ranking'
import { SearchForm } from './search-form'

/** How many are ranked: what is shown of each ranker is the best of these. */
const LIMIT = 50

/** Searches as agents do, and shows what each ranker makes of it, side by side. */
export function SearchPage() {
  const t = useTranslations('knowledge.playground')
  const { q, collection } = useSearch({ from: '/knowledge/search' })
  const navigate = useNavigate({ from: '/knowledge/search' })
  const question = q?.trim() ?? ''
  const found = useQuery({ ...searchQuery({ query: question, collection, limit: LIMIT }), enabled: question !== '' })
  return (
    <KnowledgeFrame>
      <SearchForm
        key={`form ${question} ${collection ?? ''}`}
        question={question}
        collection={collection}
        isBusy={found.isFetching}
        onSearch={(next) => {
          const isSame = next.question === question && next.collection === collection
          if (isSame) void found.refetch()
          else void navigate({ search: { q: next.question, collection: next.collection } })
        }}
      />
      {question === '' ? (
        <EmptyState icon={<TextSearch aria-hidden size={28} />} title={t('begin')}>
          {t('beginHint')}
        </EmptyState>
      ) : found.error ? (
        <FailureNotice error={found.error} onRetry={() => void found.refetch()} />
      ) : found.data ? (
        <Found key={`${question} ${collection ?? ''}`} found={found.data} />
      ) : (
        <div aria-busy className="grid gap-3 lg:grid-cols-3">
          {Array.from({ length: 3 }, (_, at) => (
            <Skeleton key={at} className="h-80" />
          ))}
        </div>
      )}
    </KnowledgeFrame>
  )
}

function Found({ found }: { found: KnowledgeSearch }) {
  const t = useTranslations('knowledge.playground')
  const all = ranked(found.chunks)
  const [chosenKey, setChosenKey] = useState(all[0]?.key)
  const chosen = all.find((one) => one.key === chosenKey)
  if (all.length === 0) {
    return (
      <EmptyState icon={<SearchX aria-hidden size={28} />} title={t('nothing')}>
        {t('nothingHint')}
      </EmptyState>
    )
  }
  return (
    <>
      <Stages found={found} count={all.length} isTransformed={asked(all).includes('transformer')} />
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
        <RankColumns all={all} chosen={chosenKey} onChoose={setChosenKey} />
        {chosen && <ChunkDetail key={chosen.key} one={chosen} />}
      </div>
    </>
  )
}

/** What the search did: how much it found, and whether the second stage had a say. */
function Stages({ found, count, isTransformed }: { found: KnowledgeSearch; count: number; isTransformed: boolean }) {
  const t = useTranslations('knowledge.playground')
  const format = useFormatter()
  const stage = (() => {
    switch (found.secondStage) {
      case 'ranked':
      case 'notNeeded':
      case 'missed':
      case 'absent':
        return t(`stage.${found.secondStage}`)
      default:
        return isTransformed ? t('stage.ranked') : t('stage.firstAlone')
    }
  })()
  return (
    <p role="status" className="flex flex-wrap gap-x-4 gap-y-1 text-sm text-muted">
      <span>{t('found', { count })}</span>
      <span>{stage}</span>
      {found.tookMs !== undefined && (
        <span className="tabular-nums">
          {format.number(found.tookMs, { style: 'unit', unit: 'millisecond', maximumFractionDigits: 1 })}
        </span>
      )}
      {found.corrections?.map(({ from, to }) => <span key={from}>{t('corrected', { from, to })}</span>)}
    </p>
  )
}
