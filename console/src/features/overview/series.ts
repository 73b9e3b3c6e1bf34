import type { Overview, OverviewPoint } from '@/api/overview'

/** Times in seconds, and for each of them the value of each series; `null` where nothing is known. */
export type PlotData = { times: number[]; values: (number | null)[][] }

/**
 * The series as a plot draws them. Where the server has left out points (nobody measured then), one without values stands
 * between, so that no line is drawn over what is not known.
 */
export function plotData(overview: Overview, read: ((point: OverviewPoint) => number | undefined)[]): PlotData {
  const times: number[] = []
  const values: (number | null)[][] = read.map(() => [])
  const push = (at: number, point: OverviewPoint | undefined) => {
    times.push(at)
    read.forEach((one, index) => values[index]?.push((point && one(point)) ?? null))
  }
  for (const point of overview.series) {
    const at = Date.parse(point.at) / 1_000
    const before = times.at(-1)
    // Two points in one moment have no order that could be drawn.
    if (before !== undefined && at <= before) continue
    if (before !== undefined && at - before > 1.5 * overview.stepSeconds) push(before + overview.stepSeconds, undefined)
    push(at, point)
  }
  return { times, values }
}

/** The greatest value of all series; 0 where there is none. */
export function greatest(data: PlotData): number {
  return data.values.reduce((most, series) => series.reduce<number>((max, value) => Math.max(max, value ?? 0), most), 0)
}
