import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslations } from 'use-intl'
import type { AgentOverview } from '@/api/overview'
import { agentsQuery } from '@/api/server'
import type { OverviewWindow } from '@/lib/overview-window'
import { Dot } from '@/ui/badge'
import { Card, CardHeader } from '@/ui/card'
import { Cell, HeadCell, Table } from '@/ui/table'
import type { Format, Formats } from './format'
import { GrafanaButton } from './grafana-button'

/** From this share of failed turns on an agent is in trouble, and not only unlucky. */
const FAILING_SHARE = 0.05

export type AgentHealth = 'unused' | 'healthy' | 'someErrors' | 'failing'

/** How an agent has been doing in the window, by how its turns ended. */
export function agentHealth({ turns, errors }: Pick<AgentOverview, 'turns' | 'errors'>): AgentHealth {
  if (turns === 0) return 'unused'
  if (errors === 0) return 'healthy'
  return errors / turns >= FAILING_SHARE ? 'failing' : 'someErrors'
}

const TONES = { unused: 'neutral', healthy: 'success', someErrors: 'warning', failing: 'danger' } as const

/** Each agent over the window. */
export function AgentTable({ agents, window, formats }: { agents: AgentOverview[]; window: OverviewWindow; formats: Formats }) {
  const t = useTranslations('overview')
  const known = useQuery(agentsQuery)
  const columns = ['agent', 'health', 'doing', 'turns', 'errors', 'p50', 'p95', 'cacheHits', 'tokens', 'cost'] as const
  const figure = (value: number | undefined, format: Format) =>
    value === undefined ? <span className="text-faint">{t('noData')}</span> : format(value)
  return (
    <Card>
      <CardHeader title={t('agents.title')} description={t(`agents.over.${window}`)}>
        <GrafanaButton dashboard="agents" window={window} about={t('agents.title')} />
      </CardHeader>
      <Table caption={t('agents.title')} className="pb-1 [&_tbody_tr:last-child>*]:border-b-0">
        <thead>
          <tr>
            {columns.map((column, index) => (
              <HeadCell key={column} className={index < 3 ? (index === 0 ? 'pl-4' : '') : 'text-right'}>
                {t(`agents.columns.${column}`)}
              </HeadCell>
            ))}
          </tr>
        </thead>
        <tbody>
          {agents.map((agent) => {
            const more = known.data?.find((one) => one.id === agent.id)
            const health = agentHealth(agent)
            return (
              <tr key={agent.id} data-color={more?.color}>
                <th scope="row" className="border-b border-line py-2 pr-3 pl-4 font-medium whitespace-nowrap">
                  <Link to="/agents/$agentId" params={{ agentId: agent.id }} className="inline-flex min-h-6 items-center gap-2 hover:underline">
                    <Dot tone="agent" />
                    {more?.name ?? agent.id}
                  </Link>
                </th>
                <Cell className="whitespace-nowrap">
                  <span className="inline-flex items-center gap-2">
                    <Dot tone={TONES[health]} />
                    {t(`agents.health.${health}`)}
                  </span>
                </Cell>
                <Cell className="whitespace-nowrap text-muted">{t(`agents.status.${agent.status}`)}</Cell>
                <Cell isNumber>{formats.count(agent.turns)}</Cell>
                <Cell isNumber className={agent.errors > 0 ? 'text-danger' : ''}>
                  {formats.count(agent.errors)}
                </Cell>
                <Cell isNumber>{figure(agent.latencyP50Ms, formats.duration)}</Cell>
                <Cell isNumber>{figure(agent.latencyP95Ms, formats.duration)}</Cell>
                <Cell isNumber>{figure(agent.cacheHitRate, formats.share)}</Cell>
                <Cell isNumber>{figure(agent.tokens, formats.tokens)}</Cell>
                <Cell isNumber>{figure(agent.cost, formats.cost)}</Cell>
              </tr>
            )
          })}
        </tbody>
      </Table>
    </Card>
  )
}
