import { useFormatter, useTranslations } from 'use-intl'
import type { Overview } from '@/api/overview'
import { Card, CardHeader } from '@/ui/card'
import type { Format, Formats } from './format'

/** All since the start of the server. */
export function Totals({ totals, formats }: { totals: Overview['totals']; formats: Formats }) {
  const t = useTranslations('overview')
  const format = useFormatter()
  const since = new Date(totals.since)
  const rows: [string, number | undefined, Format][] = [
    [t('totals.turns'), totals.turns, formats.count],
    [t('totals.errors'), totals.errors, formats.count],
    [t('totals.tokens'), totals.tokens, formats.count],
    [t('totals.cost'), totals.cost, formats.cost],
  ]
  return (
    <Card>
      <CardHeader
        title={t('totals.title')}
        description={t('totals.since', { since: format.dateTime(since, { dateStyle: 'medium', timeStyle: 'short' }) })}
      />
      <dl className="divide-y divide-line px-4 pb-3">
        {rows.map(([name, value, write]) => (
          <div key={name} className="flex items-baseline justify-between gap-3 py-1.5">
            <dt className="text-muted">{name}</dt>
            <dd className={value === undefined ? 'text-faint' : 'font-medium tabular-nums'}>
              {value === undefined ? t('noData') : write(value)}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  )
}
