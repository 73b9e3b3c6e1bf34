import { useMemo } from 'react'
import { useFormatter, useTranslations } from 'use-intl'
import type { Overview, OverviewPoint } from '@/api/overview'
import { windowMs } from '@/lib/overview-window'
import { Plot, type PlotSeries } from '@/ui/plot'
import type { PlotColor } from '@/ui/plot-colors'
import type { Format, Formats } from './format'
import type { Dashboard } from './grafana'
import { GrafanaButton } from './grafana-button'
import { greatest, plotData } from './series'

type Line = { key: 'turns' | 'errors' | 'p50' | 'p95' | 'p99' | 'firstEvent' | 'tokens' | 'cost' | 'sessions' | 'connections' | 'cacheHits'
  read: (point: OverviewPoint) => number | undefined
  color: PlotColor
  isDashed?: boolean
}
type Subject = {
  key: 'turns' | 'latency' | 'tokens' | 'cost' | 'presence' | 'cache'
  lines: Line[]
  format: (formats: Formats, most: number) => Format
  top?: (most: number) => number
  dashboard: Dashboard
}

const SUBJECTS: Subject[] = [
  {
    key: 'turns',
    lines: [
      { key: 'turns', read: (point) => point.turnsPerSecond, color: 'first' },
      { key: 'errors', read: (point) => point.errorsPerSecond, color: 'danger', isDashed: true },
    ],
    format: (formats, most) => formats.rate(most),
    dashboard: 'overview',
  },
  {
    key: 'latency',
    lines: [
      { key: 'p50', read: (point) => point.latencyP50Ms, color: 'first' },
      { key: 'p95', read: (point) => point.latencyP95Ms, color: 'second' },
      { key: 'p99', read: (point) => point.latencyP99Ms, color: 'third' },
      { key: 'firstEvent', read: (point) => point.firstEventP95Ms, color: 'fourth', isDashed: true },
    ],
    format: (formats) => formats.duration,
    dashboard: 'sessions',
  },
  {
    key: 'presence',
    lines: [
      { key: 'sessions', read: (point) => point.sessions, color: 'first' },
      { key: 'connections', read: (point) => point.connections, color: 'second', isDashed: true },
    ],
    format: (formats) => formats.count,
    // Whole sessions: less than four would be labelled in parts of one.
    top: (most) => Math.max(4, most),
    dashboard: 'sessions',
  },
  {
    key: 'cache',
    lines: [{ key: 'cacheHits', read: (point) => point.cacheHitRate, color: 'second' }],
    format: (formats) => formats.share,
    top: () => 1,
    dashboard: 'agents',
  },
  {
    key: 'tokens',
    lines: [{ key: 'tokens', read: (point) => point.tokensPerSecond, color: 'first' }],
    format: (formats) => formats.tokensPerSecond,
    dashboard: 'agents',
  },
  {
    key: 'cost',
    lines: [{ key: 'cost', read: (point) => point.costPerHour, color: 'third' }],
    format: (formats) => formats.costPerHour,
    dashboard: 'agents',
  },
]

/** The figures of the window, as plots. */
export function History({ overview, formats }: { overview: Overview; formats: Formats }) {
  const t = useTranslations('overview')
  return (
    <section aria-label={t('history')} className="grid gap-3 lg:grid-cols-2">
      {SUBJECTS.map((subject) => (
        <SubjectPlot key={subject.key} subject={subject} overview={overview} formats={formats} label={(key) => t(`lines.${key}`)} />
      ))}
    </section>
  )
}

function SubjectPlot({ subject, overview, formats, label }: {
  subject: Subject
  overview: Overview
  formats: Formats
  label: (key: Line['key']) => string
}) {
  const t = useTranslations('overview')
  const format = useFormatter()
  const plot = useMemo(() => {
    const data = plotData(overview, subject.lines.map((line) => line.read))
    const most = greatest(data)
    const series = subject.lines.map(
      (line, index): PlotSeries => ({
        label: label(line.key),
        color: line.color,
        isDashed: line.isDashed ?? false,
        values: data.values[index] ?? [],
      }),
    )
    return { times: data.times, series, top: subject.top?.(most), format: subject.format(formats, most) }
    // The words of `label` change with the formats, which are made for a language.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [overview, subject, formats])
  const formatTime = useMemo(
    () => (seconds: number, isExact: boolean) =>
      format.dateTime(new Date(seconds * 1_000), {
        hour: '2-digit',
        minute: '2-digit',
        ...(isExact ? { second: '2-digit' } : {}),
        ...(isExact && overview.window === '24h' ? { weekday: 'short' } : {}),
      }),
    [format, overview.window],
  )
  const title = t(`plots.${subject.key}`)
  return (
    <Plot
      title={title}
      {...plot}
      range={range(overview)}
      formatTime={formatTime}
      empty={overview.series.length === 0 ? t('noSeriesYet') : t(`empty.${subject.key}`)}
      actions={<GrafanaButton dashboard={subject.dashboard} window={overview.window} about={title} />}
    />
  )
}

/** The window, or the life of a server that is younger. */
function range(overview: Overview): [number, number] {
  const at = Date.parse(overview.at)
  const from = Math.max(at - windowMs(overview.window), Date.parse(overview.totals.since))
  return [Math.min(from, at - 60_000) / 1_000, at / 1_000]
}
