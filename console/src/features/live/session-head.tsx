import { Link } from '@tanstack/react-router'
import { ArrowLeft, Hand, UserRound } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import type { LiveSession } from '@/api/live'
import { Button } from '@/ui/button'
import { useFigures } from '@/ui/figures'
import { Elapsed } from './elapsed'
import { wantedPerson } from './matching'
import { useMyName } from './my-name'
import { ReleaseDialog } from './release-dialog'
import { StateBadge } from './state-badge'
import { TakeoverDialog } from './takeover-dialog'

/** Which session is looked at, who has it, and what an operator can do about that. */
export function SessionHead({ live, title, waiting, children }: {
  live: LiveSession
  title: string | undefined
  /** Messages that wait for the person who has it. */
  waiting: number
  /** More buttons of the page. */
  children?: ReactNode
}) {
  const t = useTranslations('live')
  const figures = useFigures()
  const mine = useMyName()
  const [dialog, setDialog] = useState<'take' | 'release'>()
  const { session, person } = live
  const isMine = person?.name === mine
  const wanted = wantedPerson(live)
  return (
    <header className="shrink-0 border-b border-line bg-surface">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2 px-3 py-2">
        <Link
          to="/live"
          aria-label={t('back')}
          title={t('back')}
          className="inline-flex size-control shrink-0 items-center justify-center rounded-control text-muted hover:bg-hover hover:text-text"
        >
          <ArrowLeft aria-hidden size={18} />
        </Link>
        <div className="min-w-0 grow basis-52">
          <h1 className="truncate text-base font-semibold">
            <bdi>{title ?? t('untitled')}</bdi>
          </h1>
          <p className="flex flex-wrap items-center gap-x-2.5 text-sm text-muted tabular-nums">
            <StateBadge state={live.state} />
            <span>{t('clientsWithYou', { count: live.clients })}</span>
            <span>{t('messages', { count: session.messageCount })}</span>
            {session.totalCost > 0 && <span>{figures.cost(session.totalCost)}</span>}
            {live.node !== undefined && <span>{t('onNode', { node: live.node })}</span>}
          </p>
        </div>
        <div className="flex shrink-0 items-center gap-2">
          {children}
          {person ? (
            <Button tone={isMine ? 'primary' : 'secondary'} onClick={() => setDialog('release')}>
              {t('handBack')}
            </Button>
          ) : (
            <Button tone="primary" icon={<Hand aria-hidden size={16} />} onClick={() => setDialog('take')}>
              {t('takeOver')}
            </Button>
          )}
        </div>
      </div>
      <p role="status" className={person ? 'flex items-center gap-2 bg-accent-soft px-4 py-1.5 text-sm text-accent-text' : 'sr-only'}>
        {person && <UserRound aria-hidden size={14} className="shrink-0" />}
        <span>
          {person
            ? t.rich(isMine ? 'youHaveIt' : 'personHasIt', { name: person.name, since: figures.time(person.since), elapsed: () => <Elapsed since={person.since} /> })
            : t('agentsHaveIt')}
        </span>
      </p>
      {wanted && (
        <p role="status" className="flex items-center gap-2 bg-danger-soft px-4 py-1.5 text-sm text-danger">
          <Hand aria-hidden size={14} className="shrink-0" />
          <span>
            {t.rich('wantedBecause', { agent: wanted.agent ?? t('someAgent'), reason: wanted.reason, since: () => <Elapsed since={wanted.since} /> })}
          </span>
        </p>
      )}
      {dialog === 'take' && <TakeoverDialog live={live} onClose={() => setDialog(undefined)} />}
      {dialog === 'release' && person && (
        <ReleaseDialog sessionId={session.id} person={person} waiting={waiting} onClose={() => setDialog(undefined)} />
      )}
    </header>
  )
}
