import { useQueries, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Bot } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { definitionQuery } from '@/api/agents'
import type { Agent } from '@/api/generated/wire'
import { agentsQuery } from '@/api/server'
import { Badge } from '@/ui/badge'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { useFigures } from '@/ui/figures'
import { Page } from '@/ui/page'
import { Skeleton } from '@/ui/skeleton'
import { AgentState, LIVE_MS } from './agent-state'

/** Every agent, with what it does just now. */
export function AgentsPage() {
  const t = useTranslations('agents')
  const { data: agents, error, refetch } = useQuery({ ...agentsQuery, refetchInterval: LIVE_MS })
  const definitions = useQueries({ queries: (agents ?? []).map(({ id }) => definitionQuery(id)) })
  return (
    <Page title={t('title')} description={t('description')}>
      {agents ? (
        agents.length === 0 ? (
          <EmptyState icon={<Bot aria-hidden size={28} />} title={t('none')} />
        ) : (
          <ul className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
            {agents.map((agent, at) => (
              <AgentCard key={agent.id} agent={agent} purpose={definitions[at]?.data?.purpose} />
            ))}
          </ul>
        )
      ) : error ? (
        <FailureNotice error={error} onRetry={() => void refetch()} />
      ) : (
        <div aria-busy className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
          {Array.from({ length: 4 }, (_, at) => (
            <Skeleton key={at} className="h-44" />
          ))}
        </div>
      )}
    </Page>
  )
}

function AgentCard({ agent, purpose }: { agent: Agent; purpose: string | undefined }) {
  const t = useTranslations('agents')
  const figures = useFigures()
  return (
    <li
      data-color={agent.color}
      className="relative flex flex-col gap-3 rounded-card border border-line bg-surface p-4 shadow-card focus-within:border-agent-solid hover:border-line-strong"
    >
      <div className="flex items-start gap-3">
        <span aria-hidden className="flex size-9 shrink-0 items-center justify-center rounded-control bg-agent-soft text-agent">
          <Bot size={20} />
        </span>
        <div className="min-w-0 grow">
          <h2 className="truncate text-md font-semibold">
            {/* The whole card is its target; its name is what is read out. */}
            <Link to="/agents/$agentId" params={{ agentId: agent.id }} className="after:absolute after:inset-0 after:rounded-card">
              {agent.name}
            </Link>
          </h2>
          <p className="truncate font-mono text-xs text-muted">{agent.id}</p>
        </div>
        <AgentState status={agent.status} />
      </div>
      <p className="line-clamp-2 min-h-[2.75rem] text-muted">{purpose}</p>
      <div className="flex flex-wrap gap-1.5">
        <Badge tone="agent">{agent.strategy ?? t('strategies.direct')}</Badge>
        <Badge>{agent.model}</Badge>
      </div>
      <dl className="grid grid-cols-3 gap-2 border-t border-line pt-3">
        <Fact name={t('tokens')} value={figures.compact(agent.tokensUsed)} />
        <Fact name={t('cost')} value={figures.cost(agent.cost)} />
        <Fact name={t('lastAnswer')} value={t(agent.cached === undefined ? 'noAnswer' : agent.cached ? 'cached' : 'fresh')} />
      </dl>
    </li>
  )
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-xs text-muted">{name}</dt>
      <dd className="truncate font-medium tabular-nums">{value}</dd>
    </div>
  )
}
