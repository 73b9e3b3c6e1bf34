import { Zap } from 'lucide-react'
import { useTranslations } from 'use-intl'
import type { Agent, AgentStatus } from '@/api/generated/wire'
import { Badge, Dot } from '@/ui/badge'
import { useFigures } from '@/ui/figures'
import { Skeleton } from '@/ui/skeleton'

/** The agents as they are at this moment: what they do, what they are, and what they have cost. */
export function AgentCards({ agents }: { agents: readonly Agent[] | undefined }) {
  const t = useTranslations('chat')
  if (!agents) {
    return (
      <div aria-busy className="flex flex-col gap-2 p-3">
        {[1, 2, 3, 4].map((index) => (
          <Skeleton key={index} className="h-18" />
        ))}
      </div>
    )
  }
  return (
    <ul aria-label={t('agents')} className="flex flex-col gap-2 p-3">
      {agents.map((agent) => (
        <AgentCard key={agent.id} agent={agent} />
      ))}
    </ul>
  )
}

const BUSY: Record<AgentStatus, boolean> = { idle: false, routing: true, active: true, complete: false }

function AgentCard({ agent }: { agent: Agent }) {
  const t = useTranslations('chat')
  const figures = useFigures()
  const isBusy = BUSY[agent.status]
  return (
    <li
      data-color={agent.color}
      className="rounded-card border border-line bg-surface py-2 pr-2.5 pl-3 shadow-card"
    >
      <div className="flex items-center gap-2">
        <span aria-hidden className="grid size-6 shrink-0 place-items-center rounded-control bg-agent-soft text-xs font-semibold text-agent">
          {agent.name.slice(0, 1)}
        </span>
        <span className="min-w-0 grow truncate font-medium">{agent.name}</span>
        <Badge tone={isBusy ? 'agent' : 'neutral'} icon={<Dot tone={isBusy ? 'agent' : agent.status === 'complete' ? 'success' : 'neutral'} isPulsing={isBusy} />}>
          {t(`status.${agent.status}`)}
        </Badge>
      </div>
      <dl className="mt-1.5 flex flex-wrap items-center gap-x-3 gap-y-0.5 text-xs text-muted tabular-nums">
        <div className="min-w-0 basis-full truncate">
          <dt className="sr-only">{t('model')}</dt>
          <dd className="truncate font-mono" title={agent.model}>
            {agent.model}
          </dd>
        </div>
        <div>
          <dt className="sr-only">{t('strategy')}</dt>
          <dd>{agent.strategy ?? t('direct')}</dd>
        </div>
        <div>
          <dt className="sr-only">{t('tokens')}</dt>
          <dd>{t('tokenCount', { count: figures.compact(agent.tokensUsed) })}</dd>
        </div>
        <div>
          <dt className="sr-only">{t('cost')}</dt>
          <dd>{figures.cost(agent.cost)}</dd>
        </div>
        {agent.cached === true && (
          <div>
            <dt className="sr-only">{t('cache')}</dt>
            <dd className="flex items-center gap-1 text-success">
              <Zap aria-hidden size={12} />
              {t('fromCache')}
            </dd>
          </div>
        )}
      </dl>
    </li>
  )
}
