import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Overview, OverviewPoint } from '@/api/overview'
import { greatest, plotData } from './series'

function overview(points: Partial<OverviewPoint>[], stepSeconds = 10): Overview {
  return {
    at: '2026-11-27T12:00:00.000Z',
    window: '15m',
    stepSeconds,
    now: { overSeconds: 60, turnsInFlight: 0, sessions: 0, connections: 0 },
    series: points.map((point) => ({ at: '2026-11-27T11:00:00.000Z', sessions: 0, connections: 0, ...point })),
    agents: [],
    totals: { turns: 0, errors: 0, since: '2026-11-27T10:00:00.000Z' },
  }
}
const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1_000).toISOString()
const reads = [(point: OverviewPoint) => point.latencyP50Ms, (point: OverviewPoint) => point.sessions]

describe('plotData', () => {
  it('keeps what is not known apart from 0', () => {
    const data = plotData(overview([{ at: at(0), latencyP50Ms: 0 }, { at: at(10) }, { at: at(20), latencyP50Ms: 5 }]), reads)
    expect(data.values).toEqual([
      [0, null, 5],
      [0, 0, 0],
    ])
  })

  it('breaks the line where nobody measured', () => {
    const data = plotData(overview([{ at: at(0), sessions: 1 }, { at: at(10), sessions: 2 }, { at: at(60), sessions: 3 }]), reads)
    expect(data.times.map((time) => time - 1_800_000_000)).toEqual([0, 10, 20, 60])
    expect(data.values[1]).toEqual([1, 2, null, 3])
  })

  it('gives every series a value for every time, and times that only grow', () => {
    const points = fc.array(fc.record({ at: fc.integer({ min: 0, max: 5_000 }).map(at), sessions: fc.nat(9) }), { maxLength: 40 })
    fc.assert(
      fc.property(points, fc.integer({ min: 5, max: 900 }), (series, step) => {
        const data = plotData(overview(series, step), reads)
        for (const values of data.values) expect(values).toHaveLength(data.times.length)
        for (let index = 1; index < data.times.length; index += 1) {
          expect(data.times[index]).toBeGreaterThan(data.times[index - 1] ?? Infinity)
        }
      }),
    )
  })

  it('knows how much room there must be', () => {
    const none = plotData(overview([{ at: at(0) }]), [(point) => point.costPerHour])
    expect(greatest(none)).toBe(0)
    const some = plotData(overview([{ at: at(0), costPerHour: 0 }, { at: at(10), costPerHour: 0.4 }]), [(point) => point.costPerHour])
    expect(greatest(some)).toBe(0.4)
  })
})
