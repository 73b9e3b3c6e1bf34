import { useTranslations } from 'use-intl'
import type { Agent } from '@/api/generated/wire'
import type { Turn } from '@/api/socket/view'
import { classNames } from '@/lib/class-names'
import { useFigures } from '@/ui/figures'
import { Cell, HeadCell, Table } from '@/ui/table'
import { timeline } from './timeline'

/** A turn over time: what followed what, what went on at once, and what it waited for. */
export function Waterfall({ turn, agents }: { turn: Turn; agents: readonly Agent[] }) {
  const t = useTranslations('log')
  const figures = useFigures()
  const { spans, duration } = timeline(turn)
  const colors = new Map(agents.map((agent) => [agent.id, agent]))
  const whole = Math.max(duration, 1)
  return (
    <Table caption={t('waterfallCaption', { duration: figures.duration(duration) })} isCaptionHidden={false}>
      <thead>
        <tr>
          <HeadCell className="w-56">{t('step')}</HeadCell>
          <HeadCell className="hidden sm:table-cell">{t('agent')}</HeadCell>
          <HeadCell>{t('overTime')}</HeadCell>
          <HeadCell className="text-right">{t('began')}</HeadCell>
          <HeadCell className="text-right">{t('took')}</HeadCell>
        </tr>
      </thead>
      <tbody>
        {spans.map((span) => {
          const agent = span.agent === undefined ? undefined : colors.get(span.agent)
          return (
            <tr key={span.key} data-color={agent?.color}>
              <Cell className="max-w-56">
                <span className="block truncate" title={span.label}>
                  {span.kind === 'agent' ? t('agentActive', { agent: agent?.name ?? span.label }) : span.kind === 'answer' ? t('answering') : span.label}
                </span>
              </Cell>
              <Cell className="hidden text-muted sm:table-cell">{agent?.name ?? span.agent}</Cell>
              <Cell className="w-1/2 min-w-32">
                <div aria-hidden className="relative mt-1.5 h-3 rounded-full bg-hover">
                  <div
                    className={classNames(
                      'absolute inset-y-0 min-w-1 rounded-full',
                      span.status === 'error' ? 'bg-danger-solid' : span.status === 'warning' ? 'bg-warning-solid' : 'bg-agent-solid',
                    )}
                    style={{ left: `${(Math.min(span.from, whole * 0.995) / whole) * 100}%`, width: `${((span.to - span.from) / whole) * 100}%` }}
                  />
                </div>
              </Cell>
              <Cell isNumber>{figures.duration(span.from)}</Cell>
              <Cell isNumber>{span.to > span.from ? figures.duration(span.to - span.from) : t('moment')}</Cell>
            </tr>
          )
        })}
      </tbody>
    </Table>
  )
}
