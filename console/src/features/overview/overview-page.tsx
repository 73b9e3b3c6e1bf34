import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { Activity } from 'lucide-react'
import { useFormatter, useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { overviewQuery, type Overview } from '@/api/overview'
import { overviewWindow } from '@/lib/overview-window'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'
import { Notice } from '@/ui/notice'
import { Page } from '@/ui/page'
import { Skeleton } from '@/ui/skeleton'
import { AgentTable } from './agent-health'
import { useFormats } from './format'
import { GrafanaButton } from './grafana-button'
import { History } from './history'
import { NowFigures } from './now-figures'
import { ServiceHealth } from './service-health'
import { Totals } from './totals'
import { WindowChoice } from './window-choice'

/** What the figures are of: of several nodes those that have answered. */
function asOf(t: ReturnType<typeof useTranslations<'overview'>>, { nodes }: Overview, time: string) {
  if (nodes === undefined || nodes.length < 2) return t('asOf', { time })
  const answered = nodes.filter((node) => node.state === 'answered').length
  return answered === nodes.length ? t('asOfNodes', { time, count: answered }) : t('asOfSomeNodes', { time, count: answered, all: nodes.length })
}

/** How the server has been doing. */
export function OverviewPage() {
  const t = useTranslations('overview')
  const format = useFormatter()
  const formats = useFormats()
  const window = overviewWindow(useSearch({ strict: false, select: (search) => search.window }))
  const { data, error, refetch, isPlaceholderData } = useQuery(overviewQuery(window))
  const time = data && format.dateTime(new Date(data.at), { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  return (
    <Page
      title={t('title')}
      description={data && time !== undefined ? asOf(t, data, time) : t('description')}
      actions={
        <>
          <WindowChoice window={window} />
          <GrafanaButton dashboard="overview" window={window} />
        </>
      }
    >
      {error && data && time !== undefined && (
        <Notice tone="warning" isLive>
          {t('stale', { time, reason: asApiError(error).message })}
        </Notice>
      )}
      {!data && error && (
        <EmptyState
          icon={<Activity aria-hidden size={28} />}
          title={t('failed')}
          actions={
            <Button tone="primary" onClick={() => void refetch()}>
              {t('tryAgain')}
            </Button>
          }
        >
          <p role="alert">{asApiError(error).message}</p>
        </EmptyState>
      )}
      {!data && !error && <Loading label={t('loading')} />}
      {data && (
        <div aria-busy={isPlaceholderData} className="flex flex-col gap-3">
          <NowFigures now={data.now} formats={formats} />
          <History overview={data} formats={formats} />
          <AgentTable agents={data.agents} window={data.window} formats={formats} />
          <div className="grid gap-3 md:grid-cols-2">
            <ServiceHealth window={data.window} />
            <Totals totals={data.totals} formats={formats} />
          </div>
        </div>
      )}
    </Page>
  )
}

function Loading({ label }: { label: string }) {
  return (
    <div role="status" aria-busy aria-label={label} className="flex flex-col gap-3">
      <div className="grid grid-cols-2 gap-3 md:grid-cols-3 lg:grid-cols-6">
        {['a', 'b', 'c', 'd', 'e', 'f'].map((key) => (
          <Skeleton key={key} className="h-24" />
        ))}
      </div>
      <div className="grid gap-3 lg:grid-cols-2">
        {['a', 'b', 'c', 'd'].map((key) => (
          <Skeleton key={key} className="h-64" />
        ))}
      </div>
    </div>
  )
}
