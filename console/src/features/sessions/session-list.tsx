import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Search, UserRound } from 'lucide-react'
import { useId, useState } from 'react'
import { useTranslations } from 'use-intl'
import { sessionsQuery, type SessionSummary } from '@/api/sessions'
import { classNames } from '@/lib/class-names'
import { useDebounced } from '@/lib/use-debounced'
import { Dot } from '@/ui/badge'
import { Button } from '@/ui/button'
import { Input } from '@/ui/field'
import { useFigures } from '@/ui/figures'
import { Skeleton } from '@/ui/skeleton'

/** The sessions, latest first; searched by title and by what was said. */
export function SessionList({ current }: { current: string | undefined }) {
  const t = useTranslations('sessions')
  const id = useId()
  const [text, setText] = useState('')
  const query = useDebounced(text.trim(), 250)
  const { data, error, isPending, hasNextPage, fetchNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    ...sessionsQuery(query),
    refetchInterval: 10_000,
  })
  const sessions = data?.pages.flatMap((page) => page.sessions) ?? []
  return (
    <section aria-labelledby={id} className="flex min-h-0 flex-col">
      <div className="flex items-center gap-2 px-3 pt-1 pb-2">
        <h2 id={id} className="text-sm font-semibold">
          {t('title')}
        </h2>
      </div>
      <div className="relative px-3 pb-2">
        <Search aria-hidden size={14} className="pointer-events-none absolute top-1/2 left-5.5 -mt-1 -translate-y-1/2 text-faint" />
        <Input
          type="search"
          aria-label={t('search')}
          placeholder={t('search')}
          value={text}
          onChange={(event) => setText(event.target.value)}
          className="pl-8!"
        />
      </div>
      <div className="min-h-0 grow overflow-auto px-1.5 pb-3">
        {isPending && (
          <div aria-busy className="flex flex-col gap-2 px-1.5">
            <Skeleton className="h-11" />
            <Skeleton className="h-11" />
            <Skeleton className="h-11" />
          </div>
        )}
        {error && (
          <p role="alert" className="px-1.5 text-sm text-danger">
            {t('failed', { reason: error.message })}{' '}
            <button type="button" className="min-h-6 underline" onClick={() => void refetch()}>
              {t('tryAgain')}
            </button>
          </p>
        )}
        {data && sessions.length === 0 && <p className="px-1.5 text-sm text-muted">{query === '' ? t('none') : t('noneFound')}</p>}
        <ul>
          {sessions.map((session) => (
            <li key={session.id}>
              <SessionLink session={session} isCurrent={session.id === current} />
            </li>
          ))}
        </ul>
        {hasNextPage && (
          <Button size="small" tone="quiet" className="mt-1 w-full" isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {t('more')}
          </Button>
        )}
      </div>
    </section>
  )
}

function SessionLink({ session, isCurrent }: { session: SessionSummary; isCurrent: boolean }) {
  const t = useTranslations('sessions')
  const figures = useFigures()
  return (
    <Link
      to="/chat/$sessionId"
      params={{ sessionId: session.id }}
      aria-current={isCurrent ? 'page' : undefined}
      className={classNames(
        'block rounded-control px-2.5 py-1.5 -outline-offset-2',
        isCurrent ? 'bg-accent-soft' : 'hover:bg-hover',
      )}
    >
      <span className="flex items-center gap-1.5">
        <bdi className="min-w-0 grow truncate text-base font-medium">{session.title ?? session.preview ?? t('untitled')}</bdi>
        {session.state === 'running' && (
          <span title={t('running')}>
            <Dot tone="success" isPulsing />
            <span className="sr-only">{t('running')}</span>
          </span>
        )}
        {session.state === 'person' && <UserRound role="img" aria-label={t('withPerson')} size={14} className="shrink-0 text-warning" />}
      </span>
      <span className="block truncate text-xs text-muted tabular-nums">
        {figures.dateTime(session.lastActivity)} · {t('messages', { count: session.messageCount })}
      </span>
    </Link>
  )
}
