import { ChevronRight, CircleAlert, TriangleAlert } from 'lucide-react'
import { memo, useState } from 'react'
import { useTranslations } from 'use-intl'
import type { Agent } from '@/api/generated/wire'
import type { Step } from '@/api/socket/view'
import { classNames } from '@/lib/class-names'
import { useFigures } from '@/ui/figures'
import type { Passage } from './passage'
import { StepBody } from './step-body'
import { StepIcon } from './step-icon'

const opened = new Set<string>()

/** One step of a turn: what, how it went and who took it; on demand all that is known of it. */
export const StepCard = memo(function StepCard({ step, agent, question, onOpen }: {
  step: Step
  agent: Pick<Agent, 'name' | 'color'> | undefined
  question: string | undefined
  onOpen: (passage: Passage) => void
}) {
  const t = useTranslations('log')
  const figures = useFigures()
  const { log } = step
  // The list takes cards out of the page that are out of view; which were open is remembered.
  const [isOpen, setOpen] = useState(() => opened.has(log.id))
  const toggle = () => {
    if (isOpen) opened.delete(log.id)
    else opened.add(log.id)
    setOpen(!isOpen)
  }
  return (
    <section
      aria-label={log.title}
      data-color={agent?.color}
      className={classNames(
        'rounded-card border bg-surface text-base shadow-card',
        log.status === 'success' ? 'border-line' : log.status === 'warning' ? 'border-warning-solid' : 'border-danger',
      )}
    >
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={toggle}
        className="flex w-full items-start gap-2 rounded-card px-3 py-2 text-left -outline-offset-2 hover:bg-hover"
      >
        <span className="mt-0.5 text-agent">
          <StepIcon type={log.type} />
        </span>
        <span className="min-w-0 grow">
          <span className="block font-medium wrap-anywhere">
            {log.status === 'warning' && <TriangleAlert aria-label={t('statuses.warning')} size={14} className="mr-1 inline text-warning" />}
            {log.status === 'error' && <CircleAlert aria-label={t('statuses.error')} size={14} className="mr-1 inline text-danger" />}
            {log.title}
          </span>
          <span className="block text-xs text-muted tabular-nums">
            {t(`types.${log.type}`)}
            {agent && ` · ${agent.name}`}
            {' · '}
            <time dateTime={log.timestamp} title={figures.preciseTime(log.timestamp)}>
              {figures.timeOfDay(log.timestamp)}
            </time>
          </span>
          <Summary step={step} />
        </span>
        <ChevronRight aria-hidden size={16} className={classNames('mt-0.5 shrink-0 text-faint transition-transform', isOpen && 'rotate-90')} />
      </button>
      {isOpen && (
        <div className="border-t border-line px-3 py-2.5">
          <StepBody log={log} question={question} onOpen={onOpen} />
        </div>
      )}
    </section>
  )
})

/** The one figure of the step that is wanted without opening it. */
function Summary({ step: { log } }: { step: Step }) {
  const t = useTranslations('log')
  const figures = useFigures()
  const text = (() => {
    switch (log.type) {
      case 'routing':
        // A person was given the message, or has given it back: no decision that somebody could be sure of.
        if (log.data.confidence === 0) return log.data.reasoning
        return t('routingSummary', { agent: log.data.target_agent, share: figures.percent(log.data.confidence) })
      case 'vector_search':
        return t('searchSummary', { count: log.data.chunks_retrieved, duration: figures.duration(log.data.latency) })
      case 'cache':
        return t(`cacheOutcome.${log.data.status}`)
      case 'documents':
        return t('documentsSummary', { count: log.data.documents.length })
    }
  })()
  return <span className="block text-sm text-muted">{text}</span>
}
