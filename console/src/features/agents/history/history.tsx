import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { History as HistoryIcon } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { agentTurnsQuery } from '@/api/agents'
import type { Agent } from '@/api/generated/wire'
import type { AgentTurn } from '@/api/schemas/agents'
import { Badge } from '@/ui/badge'
import { Button } from '@/ui/button'
import { Card, CardHeader } from '@/ui/card'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { useFigures } from '@/ui/figures'
import { Skeleton } from '@/ui/skeleton'
import { Cell, HeadCell, Table } from '@/ui/table'
import { Time } from '@/ui/time'
import { summarize } from './turn-summary'

const OUTCOME_TONES = { completed: 'success', failed: 'danger', cancelled: 'neutral' } as const
const REFRESH_MS = 10_000

/** Its counters, and its turns with how each went. */
export function History({ agent }: { agent: Agent }) {
  const t = useTranslations('agents.history')
  const figures = useFigures()
  const { data, error, isPending, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery({
    ...agentTurnsQuery(agent.id),
    // What is read back is not read anew again and again.
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > 1 ? false : REFRESH_MS),
  })
  const turns = data?.pages.flatMap((page) => [...page.turns].reverse()) ?? []
  const summary = summarize(turns)
  const known = <T,>(value: T | undefined, show: (value: T) => string) => (value === undefined ? '–' : show(value))
  return (
    <div className="flex flex-col gap-4">
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-6">
        <Figure name={t('medianLatency')} value={known(summary.latencyP50Ms, figures.duration)} note={t('ofTurns', { count: turns.length })} />
        <Figure name={t('slowLatency')} value={known(summary.latencyP95Ms, figures.duration)} note={t('ofTurns', { count: turns.length })} />
        <Figure name={t('meanConfidence')} value={known(summary.confidence, figures.percent)} note={t('ofTurns', { count: turns.length })} />
        <Figure name={t('hitRate')} value={known(summary.cacheHitRate, figures.percent)} note={t('ofTurns', { count: turns.length })} />
        <Figure name={t('tokens')} value={figures.count(agent.tokensUsed)} note={t('sinceStart')} />
        <Figure name={t('cost')} value={figures.cost(agent.cost)} note={t('sinceStart')} />
      </dl>
      <Card>
        <CardHeader title={t('title')} description={t('description')} />
        {error ? (
          <FailureNotice error={error} onRetry={() => void refetch()} className="m-4" />
        ) : isPending ? (
          <div aria-busy className="p-4">
            <Skeleton className="h-40" />
          </div>
        ) : turns.length === 0 ? (
          <EmptyState icon={<HistoryIcon aria-hidden size={28} />} title={t('none')}>
            {t('noneHint')}
          </EmptyState>
        ) : (
          <>
            <TurnTable turns={turns} />
            <div className="flex items-center justify-between gap-3 px-4 py-2.5 text-sm text-muted">
              <p>{t('shown', { count: turns.length })}</p>
              {hasNextPage && (
                <Button size="small" isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                  {t('older')}
                </Button>
              )}
            </div>
          </>
        )}
      </Card>
    </div>
  )
}

function TurnTable({ turns }: { turns: AgentTurn[] }) {
  const t = useTranslations('agents.history')
  const figures = useFigures()
  return (
    <Table caption={t('title')}>
      <thead>
        <tr>
          <HeadCell className="pl-4">{t('column.question')}</HeadCell>
          <HeadCell>{t('column.outcome')}</HeadCell>
          <HeadCell className="text-right">{t('column.confidence')}</HeadCell>
          <HeadCell className="text-right">{t('column.latency')}</HeadCell>
          <HeadCell className="text-right">{t('column.tokens')}</HeadCell>
          <HeadCell className="text-right">{t('column.cost')}</HeadCell>
          <HeadCell>{t('column.cache')}</HeadCell>
          <HeadCell className="pr-4">{t('column.when')}</HeadCell>
        </tr>
      </thead>
      <tbody>
        {turns.map((turn) => (
          <tr key={turn.turnId} className="hover:bg-hover">
            <Cell className="w-full max-w-0 min-w-56 pl-4">
              <Link
                to="/chat/$sessionId"
                params={{ sessionId: turn.sessionId }}
                title={turn.question}
                className="block truncate font-medium underline-offset-2 hover:text-accent-text hover:underline"
              >
                {turn.question}
              </Link>
            </Cell>
            <Cell>
              <span title={turn.error?.message}>
                <Badge tone={OUTCOME_TONES[turn.outcome]}>{t(`outcome.${turn.outcome}`)}</Badge>
              </span>
            </Cell>
            <Cell isNumber>{turn.confidence === undefined ? '–' : figures.percent(turn.confidence)}</Cell>
            <Cell isNumber className="whitespace-nowrap">
              {figures.duration(turn.latencyMs)}
            </Cell>
            <Cell isNumber>{figures.count(turn.tokensUsed)}</Cell>
            <Cell isNumber>{turn.cost === undefined ? '–' : figures.cost(turn.cost)}</Cell>
            <Cell className="text-muted">{turn.cacheStatus === undefined ? '–' : t(`cache.${turn.cacheStatus}`)}</Cell>
            <Cell className="pr-4 whitespace-nowrap text-muted">
              <Time at={turn.startedAt} />
            </Cell>
          </tr>
        ))}
      </tbody>
    </Table>
  )
}

function Figure({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div className="flex min-w-0 flex-col rounded-card border border-line bg-surface px-3.5 py-2.5 shadow-card">
      <dt className="truncate text-sm text-muted">{name}</dt>
      <dd className="text-xl font-semibold tabular-nums">{value}</dd>
      <dd className="truncate text-xs text-muted">{note}</dd>
    </div>
  )
}
