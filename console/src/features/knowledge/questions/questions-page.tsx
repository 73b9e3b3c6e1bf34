import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ListChecks } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { questionsQuery } from '@/api/knowledge'
import { QuestionState } from '@/api/schemas/knowledge'
import { classNames } from '@/lib/class-names'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { Skeleton } from '@/ui/skeleton'
import { KnowledgeFrame } from '../knowledge-frame'
import { QuestionItem } from './question-item'

/** What nobody could answer from the knowledge base: the list of what is to be written. */
export function QuestionsPage() {
  const t = useTranslations('knowledge.todo')
  const { state = 'open' } = useSearch({ from: '/knowledge/questions' })
  const navigate = useNavigate({ from: '/knowledge/questions' })
  const { data, error, isPending, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(questionsQuery(state))
  const questions = data?.pages.flatMap((page) => [...page.questions].reverse()) ?? []
  return (
    <KnowledgeFrame>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="max-w-reading text-muted">{t('description')}</p>
        <div role="group" aria-label={t('which')} className="flex gap-1 rounded-control bg-sunken p-1">
          {QuestionState.options.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === state}
              onClick={() => void navigate({ search: one === 'open' ? {} : { state: one } })}
              className={classNames(
                'min-h-7 rounded-[0.375rem] px-3 text-sm font-medium',
                one === state ? 'bg-raised text-text shadow-card' : 'text-muted hover:text-text',
              )}
            >
              {t(`states.${one}`)}
            </button>
          ))}
        </div>
      </div>
      {error ? (
        <FailureNotice error={error} onRetry={() => void refetch()} />
      ) : isPending ? (
        <div aria-busy className="flex flex-col gap-3">
          {Array.from({ length: 4 }, (_, at) => (
            <Skeleton key={at} className="h-24" />
          ))}
        </div>
      ) : questions.length === 0 ? (
        <EmptyState icon={<ListChecks aria-hidden size={28} />} title={t(`none.${state}`)}>
          {state === 'open' ? t('noneHint') : undefined}
        </EmptyState>
      ) : (
        <>
          <ul aria-label={t(`states.${state}`)} className="flex flex-col gap-3">
            {questions.map((question) => (
              <QuestionItem key={question.id} question={question} />
            ))}
          </ul>
          {hasNextPage && (
            <Button className="self-center" isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              {t('older')}
            </Button>
          )}
        </>
      )}
    </KnowledgeFrame>
  )
}
