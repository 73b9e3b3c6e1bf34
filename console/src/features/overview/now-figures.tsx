import type { ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import type { Overview } from '@/api/overview'
import { classNames } from '@/lib/class-names'
import type { Format, Formats } from './format'

/** What the last minute was like. */
export function NowFigures({ now, formats }: { now: Overview['now']; formats: Formats }) {
  const t = useTranslations('overview')
  const known = (value: number | undefined, format: Format) =>
    value === undefined ? <span className="text-md font-normal text-muted">{t('noData')}</span> : format(value)
  const turns = now.turnsPerSecond
  const share = turns === undefined || turns === 0 || now.errorsPerSecond === undefined ? undefined : now.errorsPerSecond / turns
  const hasErrors = (now.errorsPerSecond ?? 0) > 0
  return (
    <section aria-label={t('now.title')}>
      <dl className="grid grid-cols-2 gap-3 md:grid-cols-3 lg:grid-cols-6">
        <Figure name={t('now.turns')} value={known(turns, formats.rate(turns ?? 0))}>
          {t('now.inFlight', { count: now.turnsInFlight })}
        </Figure>
        <Figure name={t('now.errors')} value={known(share, formats.share)} isBad={hasErrors}>
          {now.errorsPerSecond === undefined ? t('now.noTurns') : formats.rate(turns ?? 0)(now.errorsPerSecond)}
        </Figure>
        <Figure name={t('now.latency')} value={known(now.latencyP50Ms, formats.duration)}>
          {now.latencyP95Ms === undefined || now.latencyP99Ms === undefined
            ? t('now.noTurns')
            : t('now.percentiles', { p95: formats.duration(now.latencyP95Ms), p99: formats.duration(now.latencyP99Ms) })}
        </Figure>
        <Figure name={t('now.tokens')} value={known(now.tokensPerSecond, formats.tokensPerSecond)}>
          {now.costPerHour === undefined ? t('now.noModel') : formats.costPerHour(now.costPerHour)}
        </Figure>
        <Figure name={t('now.cacheHits')} value={known(now.cacheHitRate, formats.share)}>
          {now.cacheHitRate === undefined ? t('now.noLookups') : t('now.ofLookups')}
        </Figure>
        <Figure name={t('now.sessions')} value={formats.count(now.sessions)}>
          {t('now.connections', { count: now.connections })}
        </Figure>
      </dl>
    </section>
  )
}

function Figure({ name, value, isBad = false, children }: { name: string; value: ReactNode; isBad?: boolean; children: ReactNode }) {
  return (
    <div className="min-w-0 rounded-card border border-line bg-surface px-4 py-3 shadow-card">
      <dt className="text-sm text-muted">{name}</dt>
      <dd className={classNames('mt-0.5 text-2xl font-semibold tabular-nums', isBad && 'text-danger')}>{value}</dd>
      <dd className="mt-0.5 text-sm text-muted tabular-nums">{children}</dd>
    </div>
  )
}
