import { ChartLine, TableProperties } from 'lucide-react'
import { lazy, Suspense, useId, useState, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { classNames } from '@/lib/class-names'
import { IconButton } from './button'
import { Card, CardHeader } from './card'
import type { PlotColor } from './plot-colors'
import { Skeleton } from './skeleton'
import { Cell, HeadCell, Table } from './table'

/** What draws is heavy, and comes when the first plot is shown. */
const PlotCanvas = lazy(() => import('./plot-canvas').then((module) => ({ default: module.PlotCanvas })))

export type PlotSeries = {
  label: string
  color: PlotColor
  /** Told apart by more than its colour. */
  isDashed?: boolean
  /** One for each time; `null` where it is not known. */
  values: (number | null)[]
}

export type PlotProps = {
  title: string
  /** In seconds since 1970, ascending. */
  times: number[]
  series: PlotSeries[]
  /** The first and the last time that the plot shows, in seconds. */
  range: [number, number]
  /** The greatest value that the plot has room for; without it, what the values want. */
  top?: number | undefined
  format: (value: number) => string
  /** `isExact` names the second too. */
  formatTime: (seconds: number, isExact: boolean) => string
  /** Shown in place of the plot where no value is known. */
  empty: ReactNode
  /** Stands beside the title. */
  actions?: ReactNode
}

const HEIGHT_PX = 176
const SWATCHES: Record<PlotColor, string> = {
  first: 'border-plot-first',
  second: 'border-plot-second',
  third: 'border-plot-third',
  fourth: 'border-plot-fourth',
  danger: 'border-plot-danger',
}

/** Values over time: as lines, or as the table that says the same to those who cannot see lines. */
export function Plot({ title, times, series, range, top, format, formatTime, empty, actions }: PlotProps) {
  const t = useTranslations('plot')
  const [isTable, setTable] = useState(false)
  const contentId = useId()
  const isEmpty = series.every((one) => one.values.every((value) => value === null))
  return (
    <Card className="flex min-w-0 flex-col" aria-label={title}>
      <CardHeader title={title}>
        <div className="-my-1 flex">
          {actions}
          {!isEmpty && (
            <IconButton
              label={t(isTable ? 'showPlot' : 'showTable', { title })}
              size="small"
              aria-controls={contentId}
              onClick={() => setTable(!isTable)}
            >
              {isTable ? <ChartLine aria-hidden size={16} /> : <TableProperties aria-hidden size={16} />}
            </IconButton>
          )}
        </div>
      </CardHeader>
      {!isEmpty && (
        <ul className="flex flex-wrap gap-x-4 gap-y-0.5 px-4 text-sm">
          {series.map((one) => (
            <li key={one.label} className="flex items-center gap-1.5">
              <Swatch color={one.color} isDashed={one.isDashed ?? false} />
              <span className="text-muted">{one.label}</span>
              <span className="font-medium tabular-nums">{latest(one, format, t('noData'))}</span>
            </li>
          ))}
        </ul>
      )}
      <div id={contentId} className="min-w-0 px-4 pt-2 pb-3">
        {isEmpty ? (
          <p className="py-2 text-base text-muted">{empty}</p>
        ) : isTable ? (
          <PlotTable title={title} times={times} series={series} format={format} formatTime={formatTime} />
        ) : (
          <Suspense fallback={<div aria-busy style={{ height: HEIGHT_PX }}><Skeleton className="h-full" /></div>}>
            <PlotCanvas {...{ title, times, series, range, top, format, formatTime }} height={HEIGHT_PX} />
          </Suspense>
        )}
      </div>
    </Card>
  )
}

export function Swatch({ color, isDashed }: { color: PlotColor; isDashed: boolean }) {
  return <span aria-hidden className={classNames('w-4 shrink-0 border-t-2', SWATCHES[color], isDashed && 'border-dashed')} />
}

function latest(series: PlotSeries, format: (value: number) => string, noData: string): string {
  const value = series.values.at(-1) ?? null
  return value === null ? noData : format(value)
}

function PlotTable({ title, times, series, format, formatTime }: Pick<PlotProps, 'title' | 'times' | 'series' | 'format' | 'formatTime'>) {
  const t = useTranslations('plot')
  return (
    // A region that scrolls takes the focus, so that the arrow keys scroll it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div tabIndex={0} role="group" aria-label={t('table', { title })} className="overflow-auto" style={{ maxHeight: HEIGHT_PX }}>
      <Table caption={t('table', { title })} className="overflow-visible">
        <thead>
          <tr>
            <HeadCell className="sticky top-0 bg-surface">{t('time')}</HeadCell>
            {series.map((one) => (
              <HeadCell key={one.label} className="sticky top-0 bg-surface text-right">
                {one.label}
              </HeadCell>
            ))}
          </tr>
        </thead>
        <tbody>
          {times
            .map((time, index) => (
              <tr key={time}>
                <th scope="row" className="border-b border-line px-3 py-1 font-normal whitespace-nowrap text-muted tabular-nums">
                  {formatTime(time, true)}
                </th>
                {series.map((one) => {
                  const value = one.values[index] ?? null
                  return (
                    <Cell key={one.label} isNumber className={classNames('py-1!', value === null && 'text-faint')}>
                      {value === null ? t('noData') : format(value)}
                    </Cell>
                  )
                })}
              </tr>
            ))
            .reverse()}
        </tbody>
      </Table>
    </div>
  )
}
