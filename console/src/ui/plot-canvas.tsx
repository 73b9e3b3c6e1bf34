import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react'
import { useTranslations } from 'use-intl'
import Uplot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { Swatch, type PlotProps } from './plot'
import { onThemeChange, readPlotColors, type PlotColors } from './plot-colors'

type Props = Omit<PlotProps, 'empty' | 'actions'> & { height: number }

const FONT = '11px "Inter Variable", ui-sans-serif, system-ui, sans-serif'
const CHARACTER_PX = 6.4
const TOOLTIP_PX = 200

/** The lines, and a cursor that a pointer or the arrow keys move. */
export function PlotCanvas(props: Props) {
  const { title, times, series, format, formatTime, height } = props
  const t = useTranslations('plot')
  const host = useRef<HTMLDivElement>(null)
  const latest = useRef(props)
  const [plot, setPlot] = useState<Uplot>()
  // Where lines are on the page is known once they are drawn.
  const [, setDrawn] = useState(0)
  // A time and no index: new points come in while somebody looks.
  const [chosen, setChosen] = useState<number>()
  const shape = series.map((one) => `${one.color}${one.isDashed === true ? '-' : ''}`).join(' ')

  useLayoutEffect(() => {
    latest.current = props
  })

  useEffect(() => {
    const element = host.current
    if (!element) return
    let colors = readPlotColors(element)
    const made = new Uplot(
      options(latest.current, element.clientWidth, () => colors, () => latest.current, () => setDrawn((count) => count + 1)),
      aligned(latest.current),
      element,
    )
    setPlot(made)
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: latest.current.height })
    })
    resized.observe(element)
    const stop = onThemeChange(() => {
      colors = readPlotColors(element)
      made.redraw(false)
    })
    return () => {
      stop()
      resized.disconnect()
      made.destroy()
      setPlot(undefined)
    }
  }, [shape])

  useEffect(() => {
    plot?.setData(aligned(props))
    // New values, another range, or other words on the axes.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [plot, times, series, props.range[0], props.range[1], props.top, format, formatTime])

  const index = chosen === undefined ? undefined : nearest(times, chosen)
  const describe = (at: number) =>
    [
      formatTime(times[at] ?? 0, true),
      ...series.map((one) => `${one.label} ${valueOf(one.values[at], format, t('noData'))}`),
    ].join(', ')

  const onKeyDown = (event: KeyboardEvent) => {
    const last = times.length - 1
    const now = index ?? last
    const to: Record<string, number> = {
      ArrowLeft: now - 1,
      ArrowDown: now - 1,
      ArrowRight: now + 1,
      ArrowUp: now + 1,
      PageDown: now - 10,
      PageUp: now + 10,
      Home: 0,
      End: last,
    }
    const next = to[event.key]
    if (event.key === 'Escape') setChosen(undefined)
    else if (next !== undefined) setChosen(times[Math.min(last, Math.max(0, next))])
    else return
    event.preventDefault()
  }
  const onPointer = (event: PointerEvent) => {
    if (!plot) return
    const left = event.clientX - plot.over.getBoundingClientRect().left
    setChosen(times[plot.posToIdx(left)])
  }

  return (
    <div className="relative">
      <div ref={host} aria-hidden style={{ height }} />
      <div
        role="slider"
        tabIndex={0}
        aria-label={t('cursor', { title })}
        aria-orientation="horizontal"
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={index ?? Math.max(0, times.length - 1)}
        aria-valuetext={describe(index ?? times.length - 1)}
        className="absolute inset-0 touch-pan-y rounded-control"
        onKeyDown={onKeyDown}
        onFocus={(event) => {
          if (event.currentTarget.matches(':focus-visible')) setChosen((now) => now ?? times.at(-1))
        }}
        onBlur={() => setChosen(undefined)}
        onPointerMove={onPointer}
        onPointerDown={onPointer}
        onPointerLeave={(event) => {
          if (document.activeElement !== event.currentTarget) setChosen(undefined)
        }}
      />
      {plot && index !== undefined && <Cursor plot={plot} index={index} describe={props} noData={t('noData')} />}
    </div>
  )
}

/** What the cursor points to. Hidden from assistive technology, to which the slider says the same. */
function Cursor({ plot, index, describe, noData }: { plot: Uplot; index: number; describe: Props; noData: string }) {
  const { times, series, format, formatTime } = describe
  const area = { left: plot.over.offsetLeft, top: plot.over.offsetTop, width: plot.over.offsetWidth, height: plot.over.offsetHeight }
  const left = area.left + plot.valToPos(times[index] ?? 0, 'x')
  const isRight = left > area.left + area.width / 2
  return (
    <div aria-hidden className="pointer-events-none">
      <div className="absolute w-px bg-line-strong" style={{ left, top: area.top, height: area.height }} />
      {series.map((one) => {
        const value = one.values[index] ?? null
        if (value === null) return null
        const style = { left: left - 4, top: area.top + plot.valToPos(value, 'y') - 4 }
        return <div key={one.label} className="absolute size-2 rounded-full border-2 border-text bg-surface" style={style} />
      })}
      <div
        className="absolute top-0 z-10 rounded-control border border-line bg-raised px-2.5 py-1.5 text-sm shadow-overlay"
        style={{ maxWidth: TOOLTIP_PX, ...(isRight ? { right: `calc(100% - ${left - 10}px)` } : { left: left + 10 }) }}
      >
        <p className="text-muted tabular-nums">{formatTime(times[index] ?? 0, true)}</p>
        {series.map((one) => (
          <p key={one.label} className="flex items-center gap-1.5 whitespace-nowrap">
            <Swatch color={one.color} isDashed={one.isDashed ?? false} />
            <span className="truncate">{one.label}</span>
            <span className="ml-auto pl-2 font-medium tabular-nums">{valueOf(one.values[index], format, noData)}</span>
          </p>
        ))}
      </div>
    </div>
  )
}

function valueOf(value: number | null | undefined, format: (value: number) => string, noData: string): string {
  return value === null || value === undefined ? noData : format(value)
}

function nearest(times: number[], time: number): number | undefined {
  if (times.length === 0) return undefined
  return times.reduce((best, one, index) => (Math.abs(one - time) < Math.abs((times[best] ?? 0) - time) ? index : best), 0)
}

function aligned({ times, series }: Props): Uplot.AlignedData {
  return [times, ...series.map((one) => one.values)]
}

/** A value between two that are not known has no line to stand on: it is drawn as a point. */
function lonePoints(values: Uplot.AlignedData[number]): number[] {
  const isKnown = (index: number) => (values[index] ?? null) !== null
  return Array.from(values, (_, index) => index).filter((index) => isKnown(index) && !isKnown(index - 1) && !isKnown(index + 1))
}

function options(
  first: Props,
  width: number,
  colors: () => PlotColors,
  now: () => Props,
  drawn: () => void,
): Uplot.Options {
  const axis: Uplot.Axis = {
    font: FONT,
    stroke: () => colors().text,
    grid: { stroke: () => colors().grid, width: 1 },
    ticks: { show: false },
  }
  return {
    width,
    height: first.height,
    // Lines begin and end at the edge of the card's content.
    padding: [8, 6, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: () => now().range },
      y: {
        range: (_plot, _min, max) => {
          const top = now().top ?? max
          return [0, Number.isFinite(top) && top > 0 ? top * 1.08 : 1]
        },
      },
    },
    axes: [
      { ...axis, space: 84, size: 26, values: (_plot, splits, _axis, _space, incr) => splits.map((split) => now().formatTime(split, incr < 60)) },
      {
        ...axis,
        space: 36,
        gap: 6,
        // Asked once before there is any.
        size: (_plot, values: string[] | null) => Math.max(4, ...(values ?? []).map((value) => value.length)) * CHARACTER_PX + 12,
        values: (_plot, splits) => splits.map((split) => now().format(split)),
      },
    ],
    series: [
      {},
      ...first.series.map(
        (one, at): Uplot.Series => ({
          label: one.label,
          width: 1.75,
          stroke: () => colors()[one.color].line,
          ...(first.series.length === 1 ? { fill: () => colors()[one.color].area } : {}),
          ...(one.isDashed === true ? { dash: [5, 4] } : {}),
          spanGaps: false,
          points: {
            show: false,
            size: 5,
            stroke: () => colors()[one.color].line,
            fill: () => colors()[one.color].line,
            filter: () => lonePoints(now().series[at]?.values ?? []),
          },
        }),
      ),
    ],
    hooks: { draw: [drawn] },
  }
}
