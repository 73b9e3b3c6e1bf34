import { Link } from '@tanstack/react-router'
import { Hand, MessagesSquare, Server, UserRound, Users } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import type { Agent } from '@/api/generated/wire'
import type { LiveSession } from '@/api/live'
import { classNames } from '@/lib/class-names'
import { Badge } from '@/ui/badge'
import { useFigures } from '@/ui/figures'
import { Elapsed } from './elapsed'
import { waitingMessages, wantedPerson } from './matching'
import { StateBadge } from './state-badge'

/** One session in progress: what is asked, who is at it, since when, and who looks on. */
export function LiveRow({ live, agent, asking, name }: {
  live: LiveSession
  agent: Agent | undefined
  /** The agent that has asked for a person. */
  asking: Agent | undefined
  /** What the session is about, where that is known. */
  name: string | undefined
}) {
  const t = useTranslations('live')
  const figures = useFigures()
  const { session, turn, person, node, clients } = live
  const waiting = waitingMessages(live)
  const wanted = wantedPerson(live)
  return (
    <li
      data-color={agent?.color}
      className="relative grid gap-x-4 gap-y-1.5 border-b border-line px-4 py-3 last:border-b-0 hover:bg-hover sm:grid-cols-[9.5rem_minmax(0,1fr)_auto]"
    >
      <div className="flex items-start gap-2 sm:flex-col sm:gap-1.5">
        <StateBadge state={live.state} />
        {wanted && (
          <Badge tone="danger" icon={<Hand aria-hidden size={12} />}>
            {t('personWanted')}
          </Badge>
        )}
        {waiting > 0 && <Badge tone={live.state === 'person' ? 'danger' : 'warning'}>{t('waiting', { count: waiting })}</Badge>}
      </div>
      <div className="min-w-0">
        <Link
          to="/live/$sessionId"
          params={{ sessionId: session.id }}
          // The whole row is the link; what it says is its name.
          className="block truncate font-medium after:absolute after:inset-0 hover:underline"
        >
          <bdi>{turn?.question ?? name ?? t('noQuestion')}</bdi>
        </Link>
        {wanted && (
          <p className="mt-0.5 text-sm">
            {t.rich('wantedBecause', { agent: asking?.name ?? wanted.agent ?? t('someAgent'), reason: wanted.reason, since: () => <Elapsed since={wanted.since} /> })}
          </p>
        )}
        <p className="mt-0.5 flex flex-wrap items-center gap-x-3 gap-y-0.5 text-sm text-muted">
          {person && (
            <Fact icon={<UserRound aria-hidden size={13} />}>
              {t.rich('personSince', { name: person.name, since: () => <Elapsed since={person.since} /> })}
            </Fact>
          )}
          {turn && !person && (
            <span className={classNames(agent && 'text-agent')}>
              {agent ? t('agentAt', { agent: agent.name, phase: t(`phases.${turn.state}`) }) : t(`phases.${turn.state}`)}
            </span>
          )}
          {turn && (
            <span>
              {t.rich('askedAgo', { since: () => <Elapsed since={turn.startedAt} /> })}
            </span>
          )}
          {!turn && <span>{t('lastActive', { time: figures.time(session.lastActivity) })}</span>}
          <span className="font-mono text-xs text-faint">{session.id.slice(-12)}</span>
        </p>
      </div>
      <p className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-muted tabular-nums sm:max-w-56 sm:justify-end">
        <Fact icon={<Users aria-hidden size={13} />}>{t('clients', { count: clients })}</Fact>
        <Fact icon={<MessagesSquare aria-hidden size={13} />}>{t('messages', { count: session.messageCount })}</Fact>
        {session.totalCost > 0 && <span>{figures.cost(session.totalCost)}</span>}
        {node !== undefined && <Fact icon={<Server aria-hidden size={13} />}>{node}</Fact>}
      </p>
    </li>
  )
}

function Fact({ icon, children }: { icon: ReactNode; children: ReactNode }) {
  return (
    <span className="inline-flex items-center gap-1.5">
      {icon}
      <span>{children}</span>
    </span>
  )
}
