import { ChevronRight } from 'lucide-react'
import { useTranslations } from 'use-intl'
import type { RetrievalLog } from '@/api/generated/wire'
import { Badge, Dot } from '@/ui/badge'
import { useFigures } from '@/ui/figures'

const TONES = { success: 'success', warning: 'warning', error: 'danger' } as const

/** What led to an answer, step by step; a step that the other one has not is marked. */
export function TrialSteps({ logs, other }: { logs: RetrievalLog[]; other?: RetrievalLog[] }) {
  const t = useTranslations('agents.playground')
  const others = new Set(other?.map(({ type, title }) => `${type} ${title}`))
  return (
    <section>
      <h3 className="mb-1 text-sm font-semibold">{t('steps', { count: logs.length })}</h3>
      <ol className="flex flex-col">
        {logs.map((log) => (
          <li key={log.id}>
            <details className="group">
              <summary className="flex min-h-8 list-none items-center gap-2 rounded-control">
                <ChevronRight aria-hidden size={14} className="shrink-0 text-muted transition-transform group-open:rotate-90" />
                <Dot tone={TONES[log.status]} />
                <span className="min-w-0 truncate">{log.title}</span>
                {other && !others.has(`${log.type} ${log.title}`) && <Badge tone="accent">{t('onlyHere')}</Badge>}
              </summary>
              <div className="pb-2 pl-6 text-sm text-muted">
                <StepBody log={log} />
              </div>
            </details>
          </li>
        ))}
      </ol>
    </section>
  )
}

function StepBody({ log }: { log: RetrievalLog }) {
  const t = useTranslations('agents.playground')
  const figures = useFigures()
  switch (log.type) {
    case 'routing':
      return (
        <>
          <p>{t('step.routing', { intent: log.data.intent, confidence: figures.percent(log.data.confidence) })}</p>
          <p>{log.data.reasoning}</p>
        </>
      )
    case 'cache':
      return <p>{log.data.reason ?? t(`step.${log.data.status}`)}</p>
    case 'vector_search':
      return (
        <>
          <p>{t('step.search', { collection: log.data.collection, duration: figures.duration(log.data.latency) })}</p>
          <ol className="mt-1 flex flex-col gap-1">
            {log.data.chunks.map((chunk) => (
              <li key={chunk.id} className="flex gap-2">
                <span className="w-10 shrink-0 text-right font-medium tabular-nums">{figures.percent(chunk.similarity)}</span>
                <span className="min-w-0">
                  <span className="block truncate font-mono text-xs">{chunk.source}</span>
                  <span className="line-clamp-2">{chunk.content}</span>
                </span>
              </li>
            ))}
          </ol>
        </>
      )
    case 'documents':
      return (
        <ol className="flex flex-col gap-1">
          {log.data.documents.map((read) => (
            <li key={`${read.chunkId} ${read.source}`}>
              <span className="block font-medium break-words">{read.headingPath.join(' › ')}</span>
              {read.reason}
            </li>
          ))}
        </ol>
      )
  }
}
