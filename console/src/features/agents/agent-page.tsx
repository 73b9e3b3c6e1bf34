import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { ArrowLeft, Bot } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { agentQuery, definitionQuery } from '@/api/agents'
import { asApiError } from '@/api/error'
import { Badge } from '@/ui/badge'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { Skeleton } from '@/ui/skeleton'
import { Tabs } from '@/ui/tabs'
import { AgentState, LIVE_MS } from './agent-state'
import { History } from './history/history'
import { Playground } from './playground/playground'
import { DefinitionView } from './settings/definition-view'

const VIEWS = ['history', 'settings', 'playground'] as const

/** One agent: what it did, how it is set, and what it would do if it were set otherwise. */
export function AgentPage() {
  const t = useTranslations('agents')
  const { agentId } = useParams({ from: '/agents/$agentId' })
  const { view = 'history' } = useSearch({ from: '/agents/$agentId' })
  const navigate = useNavigate({ from: '/agents/$agentId' })
  const { data: agent, error, refetch } = useQuery({ ...agentQuery(agentId), refetchInterval: LIVE_MS })
  const definition = useQuery(definitionQuery(agentId))

  if (!agent) {
    return (
      <Frame>
        {error && asApiError(error).code === 'NOT_FOUND' ? (
          <EmptyState icon={<Bot aria-hidden size={28} />} title={<h1>{t('notThere', { id: agentId })}</h1>} />
        ) : error ? (
          <FailureNotice error={error} onRetry={() => void refetch()} />
        ) : (
          <div aria-busy className="flex flex-col gap-4">
            <h1 className="sr-only">{t('loading')}</h1>
            <Skeleton className="h-12 w-64" />
            <Skeleton className="h-80" />
          </div>
        )}
      </Frame>
    )
  }
  const ofDefinition = (show: (data: NonNullable<typeof definition.data>) => ReactNode) =>
    definition.data ? (
      show(definition.data)
    ) : definition.error ? (
      <FailureNotice error={definition.error} onRetry={() => void definition.refetch()} />
    ) : (
      <Skeleton className="h-80" />
    )
  return (
    <Frame color={agent.color}>
      <header className="flex flex-wrap items-start gap-3">
        <span aria-hidden className="flex size-10 shrink-0 items-center justify-center rounded-control bg-agent-soft text-agent">
          <Bot size={22} />
        </span>
        <div className="min-w-0 grow basis-60">
          <h1 className="text-xl font-semibold break-words">{agent.name}</h1>
          <p className="text-muted">{definition.data?.purpose}</p>
        </div>
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5" role="status" aria-label={t('state')}>
          <AgentState status={agent.status} />
          <Badge tone="agent">{agent.strategy ?? t('strategies.direct')}</Badge>
          <Badge>{agent.model}</Badge>
        </div>
      </header>
      <Tabs
        label={t('views.label')}
        value={view}
        onChange={(next) =>
          void navigate({ search: { view: next === 'settings' || next === 'playground' ? next : undefined }, replace: true })
        }
        className="overflow-visible"
        tabs={VIEWS.map((id) => ({
          id,
          label: t(`views.${id}`),
          content: (
            <div className="pt-4">
              {id === 'history' && <History agent={agent} />}
              {id === 'settings' && ofDefinition((data) => <DefinitionView definition={data} />)}
              {id === 'playground' && ofDefinition((data) => <Playground key={data.id} definition={data} />)}
            </div>
          ),
        }))}
      />
    </Frame>
  )
}

function Frame({ color, children }: { color?: string; children: ReactNode }) {
  const t = useTranslations('agents')
  return (
    <div className="h-full overflow-auto" data-color={color}>
      <div className="mx-auto flex w-full max-w-7xl flex-col gap-4 px-4 py-5 sm:px-6">
        <Link to="/agents" className="inline-flex min-h-6 items-center gap-1 self-start text-sm font-medium text-muted hover:text-text">
          <ArrowLeft aria-hidden size={14} />
          {t('back')}
        </Link>
        {children}
      </div>
    </div>
  )
}
