import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Radio, SearchX } from 'lucide-react'
import { useMemo } from 'react'
import { useTranslations } from 'use-intl'
import { liveFeed } from '@/api/live-feed'
import { agentsQuery } from '@/api/server'
import { sessionNamesQuery } from '@/api/sessions'
import { LIVE_STATES, liveSearch, type LiveSearch } from '@/lib/live-search'
import { Button } from '@/ui/button'
import { Card } from '@/ui/card'
import { EmptyState } from '@/ui/empty-state'
import { Input, Select } from '@/ui/field'
import { Notice } from '@/ui/notice'
import { Page } from '@/ui/page'
import { Skeleton } from '@/ui/skeleton'
import { LiveRow } from './live-row'
import { isMatch, wantedFirst } from './matching'
import { useLive } from './use-live'

/** Every session in progress, as it is just now. */
export function LivePage() {
  const t = useTranslations('live')
  const { live, by, error } = useLive()
  const search = liveSearch(useSearch({ strict: false }))
  const navigate = useNavigate()
  const { data: agents } = useQuery(agentsQuery)
  const { data: names } = useQuery(sessionNamesQuery)
  const byId = useMemo(() => new Map(agents?.map((agent) => [agent.id, agent])), [agents])
  const matching = live?.sessions.filter((one) => isMatch(one, search, (id) => byId.get(id)?.name ?? id, names?.get(one.session.id)))
  const shown = matching && wantedFirst(matching)
  const isFiltered = search.q !== undefined || search.state !== undefined
  // Each letter is no place to go back to.
  const choose = (next: LiveSearch) => void navigate({ to: '/live', search: next, replace: true })
  return (
    <Page
      title={t('title')}
      description={live ? t('count', { total: live.total, shown: shown?.length ?? 0, isFiltered: String(isFiltered) }) : t('description')}
    >
      <div role="search" aria-label={t('filter')} className="flex flex-wrap gap-2">
        <Input
          type="search"
          aria-label={t('query')}
          placeholder={t('query')}
          value={search.q ?? ''}
          onChange={(event) => choose(liveSearch({ ...search, q: event.target.value }))}
          className="min-w-0 grow basis-56 sm:max-w-sm"
        />
        <Select
          aria-label={t('state')}
          value={search.state ?? 'all'}
          options={[{ value: 'all', label: t('allStates') }, ...LIVE_STATES.map((value) => ({ value, label: t(`states.${value}`) }))]}
          onChange={(state) => choose(liveSearch({ ...search, state }))}
          className="w-auto!"
        />
      </div>
      {by === 'polling' && <Notice isLive>{t('polling')}</Notice>}
      {error && (
        <Notice
          tone={live ? 'warning' : 'danger'}
          isLive
          actions={
            <Button size="small" onClick={() => liveFeed.restart()}>
              {t('tryAgain')}
            </Button>
          }
        >
          {live ? t('stale', { reason: error.message }) : error.message}
        </Notice>
      )}
      {live?.missingNodes && (
        <Notice tone="warning" isLive>
          {t('missingNodes', { nodes: live.missingNodes.join(', '), count: live.missingNodes.length })}
        </Notice>
      )}
      {!live && !error && <Loading label={t('loading')} />}
      {shown && shown.length > 0 && (
        <Card>
          <ul aria-label={t('title')}>
            {shown.map((one) => (
              <LiveRow
                key={one.session.id}
                live={one}
                agent={one.turn?.agent === undefined ? undefined : byId.get(one.turn.agent)}
                asking={one.personWanted?.agent === undefined ? undefined : byId.get(one.personWanted.agent)}
                name={names?.get(one.session.id)}
              />
            ))}
          </ul>
        </Card>
      )}
      {shown?.length === 0 &&
        (isFiltered ? (
          <EmptyState
            icon={<SearchX aria-hidden size={28} />}
            title={t('noneMatches')}
            actions={<Button onClick={() => choose({})}>{t('showAll')}</Button>}
          />
        ) : (
          <EmptyState icon={<Radio aria-hidden size={28} />} title={t('none')}>
            <p>{t('noneHint')}</p>
          </EmptyState>
        ))}
      {live?.hasMore === true && <p className="text-center text-sm text-muted">{t('hasMore', { listed: live.sessions.length, total: live.total })}</p>}
    </Page>
  )
}

function Loading({ label }: { label: string }) {
  return (
    <div role="status" aria-busy aria-label={label} className="flex flex-col gap-2">
      {['a', 'b', 'c', 'd'].map((key) => (
        <Skeleton key={key} className="h-16" />
      ))}
    </div>
  )
}
