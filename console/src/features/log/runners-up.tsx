import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import * as z from 'zod/mini'
import { request } from '@/api/http'
import { useFigures } from '@/ui/figures'
import { Meter } from '@/ui/meter'
import { Skeleton } from '@/ui/skeleton'

const Decision = z.object({
  agent: z.string(),
  confidence: z.number(),
  reasoning: z.string(),
  candidates: z.array(z.object({ agent: z.string(), confidence: z.number() })),
})

const routeQuery = (message: string) =>
  queryOptions({
    queryKey: ['route', message],
    queryFn: ({ signal }) => request('/api/route', Decision, { method: 'POST', body: { message }, signal }),
    staleTime: Infinity,
  })

/** Who else could have had the question. The journal keeps who got it; the others are asked for when somebody looks. */
export function RunnersUp({ question, chosen }: { question: string; chosen: string }) {
  const t = useTranslations('log')
  const figures = useFigures()
  const [isShown, setShown] = useState(false)
  const { data, error, isPending } = useQuery({ ...routeQuery(question), enabled: isShown })
  if (!isShown) {
    return (
      <button
        type="button"
        onClick={() => setShown(true)}
        className="min-h-6 self-start text-sm font-medium text-accent-text underline-offset-2 hover:underline"
      >
        {t('showRunnersUp')}
      </button>
    )
  }
  if (error) return <p className="text-sm text-danger">{error.message}</p>
  if (isPending) return <Skeleton className="h-10" />
  return (
    <div>
      <p className="text-xs text-muted">{t('runnersUpHint')}</p>
      <ul aria-label={t('runnersUp')} className="mt-1 flex flex-col gap-1">
        {data.candidates.map((candidate) => (
          <li key={candidate.agent} className="flex items-center gap-2 text-sm tabular-nums">
            <span className={candidate.agent === chosen ? 'grow font-medium' : 'grow'}>{candidate.agent}</span>
            <Meter value={candidate.confidence} label={t('confidence')} className="w-20" />
            <span className="w-9 text-right">{figures.percent(candidate.confidence)}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}
