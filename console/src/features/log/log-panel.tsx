import { useVirtualizer } from '@tanstack/react-virtual'
import { ListTree, Network } from 'lucide-react'
import { useDeferredValue, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import type { Agent, LogStatus, LogType } from '@/api/generated/wire'
import type { Turn } from '@/api/socket/view'
import { IconButton } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'
import { Select } from '@/ui/field'
import type { Passage } from './passage'
import { StepCard } from './step-card'
import { createLogRows, isSameLog, NO_FILTER, type LogFilter } from './steps'

const TYPES: readonly (LogType | 'all')[] = ['all', 'routing', 'vector_search', 'cache', 'documents']
const STATUSES: readonly (LogStatus | 'all')[] = ['all', 'success', 'warning', 'error']

/** What the agents did for each question: a card for each step, in order, however many there are. */
export function LogPanel({ turns: given, agents, hasOlder, onLoadOlder, onOpen, onShowTurn }: {
  turns: readonly Turn[]
  agents: readonly Agent[]
  hasOlder: boolean
  onLoadOlder: () => void
  onOpen: (passage: Passage) => void
  onShowTurn: (turn: Turn) => void
}) {
  const t = useTranslations('log')
  // The conversation goes first: what is prepended to both would else be laid out twice in one frame.
  const turns = useSameLog(useDeferredValue(given))
  const [filter, setFilter] = useState<LogFilter>(NO_FILTER)
  const makeRows = useMemo(() => createLogRows(filter), [filter])
  const rows = useMemo(() => makeRows(turns), [makeRows, turns])
  const byId = useMemo(() => new Map(agents.map((agent) => [agent.id, agent])), [agents])
  const questions = useMemo(() => new Map(turns.map((turn) => [turn.question?.id, turn.question?.content])), [turns])
  const scroller = useRef<HTMLDivElement>(null)

  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => rows[index]?.key ?? index,
    estimateSize: (index) => (rows[index]?.kind === 'turn' ? 44 : 82),
    overscan: 5,
    gap: 8,
    paddingStart: 4,
    paddingEnd: 12,
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: 64,
  })
  const hasRows = rows.length > 0
  useEffect(() => {
    if (hasRows) virtualizer.scrollToEnd()
    // Once for each filter; from then on the list holds on to its end by itself.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [hasRows, filter])

  const isFiltered = filter !== NO_FILTER
  return (
    <div className="flex min-h-0 grow flex-col">
      <div role="group" aria-label={t('filters')} className="grid shrink-0 grid-cols-3 gap-1.5 px-3 pb-2">
        <Select
          aria-label={t('filterType')}
          value={filter.type}
          options={TYPES.map((value) => ({ value, label: value === 'all' ? t('allTypes') : t(`types.${value}`) }))}
          onChange={(type) => setFilter({ ...filter, type })}
          className="h-control-small! min-w-0 pr-0! pl-1.5! text-sm!"
        />
        <Select
          aria-label={t('filterStatus')}
          value={filter.status}
          options={STATUSES.map((value) => ({ value, label: value === 'all' ? t('allStatuses') : t(`statuses.${value}`) }))}
          onChange={(status) => setFilter({ ...filter, status })}
          className="h-control-small! min-w-0 pr-0! pl-1.5! text-sm!"
        />
        <Select
          aria-label={t('filterAgent')}
          value={filter.agent}
          options={[{ value: 'all', label: t('allAgents') }, ...agents.map(({ id, name }) => ({ value: id, label: name }))]}
          onChange={(agent) => setFilter({ ...filter, agent })}
          className="h-control-small! min-w-0 pr-0! pl-1.5! text-sm!"
        />
      </div>
      {!hasRows && (
        <EmptyState icon={<ListTree aria-hidden size={24} />} title={isFiltered ? t('noneMatches') : t('empty')}>
          {!isFiltered && <p>{t('emptyHint')}</p>}
        </EmptyState>
      )}
      <div
        ref={scroller}
        onScroll={() => {
          if (hasOlder && (scroller.current?.scrollTop ?? 0) < 400) onLoadOlder()
        }}
        role="region"
        aria-label={t('steps')}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        className="min-h-0 grow overflow-auto overscroll-y-contain -outline-offset-2 [contain:strict] [overflow-anchor:none]"
      >
        <div className="relative" style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => {
            const row = rows[item.index]
            return (
              row && (
                <div
                  key={item.key}
                  ref={virtualizer.measureElement}
                  data-index={item.index}
                  className="absolute inset-x-0 top-0 px-3 [contain:layout_style]"
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  {row.kind === 'turn' ? (
                    <TurnHead turn={row.turn} onShow={onShowTurn} />
                  ) : (
                    <StepCard
                      step={row.step}
                      agent={row.agent === undefined ? undefined : byId.get(row.agent)}
                      question={row.step.log.type === 'routing' ? questions.get(row.step.log.messageId) : undefined}
                      onOpen={onOpen}
                    />
                  )}
                </div>
              )
            )
          })}
        </div>
      </div>
    </div>
  )
}

/** The turns as they were, as long as nothing of their log has changed: an answer that grows costs the log nothing. */
function useSameLog(turns: readonly Turn[]): readonly Turn[] {
  const [kept, setKept] = useState(turns)
  if (kept === turns) return kept
  if (!isSameLog(kept, turns)) {
    setKept(turns)
    return turns
  }
  return kept
}

function TurnHead({ turn, onShow }: { turn: Turn; onShow: (turn: Turn) => void }) {
  const t = useTranslations('log')
  return (
    <div className="flex items-center gap-1 pt-2">
      <p dir="auto" className="min-w-0 grow truncate text-sm font-medium text-muted [unicode-bidi:isolate]">
        {turn.question?.content.slice(0, 200) ?? t('earlierQuestion')}
      </p>
      <IconButton size="small" label={t('showTurn')} onClick={() => onShow(turn)}>
        <Network aria-hidden size={14} />
      </IconButton>
    </div>
  )
}
