import { useMemo } from 'react'
import { useFormatter } from 'use-intl'

/** How figures are written everywhere, in the reader's language. */
export function useFigures() {
  const format = useFormatter()
  return useMemo(
    () => ({
      /** USD; what is less than a cent with as many digits as it takes to see it. */
      cost: (usd: number) =>
        format.number(usd, {
          style: 'currency',
          currency: 'USD',
          minimumFractionDigits: 2,
          maximumFractionDigits: usd !== 0 && Math.abs(usd) < 1 ? 4 : 2,
        }),
      count: (value: number) => format.number(value, { maximumFractionDigits: 0 }),
      compact: (value: number) => format.number(value, { notation: 'compact', maximumFractionDigits: 1 }),
      percent: (share: number) => format.number(share, { style: 'percent', maximumFractionDigits: 0 }),
      duration: (ms: number) =>
        ms < 1_000
          ? format.number(ms, { style: 'unit', unit: 'millisecond', maximumFractionDigits: ms < 10 ? 1 : 0 })
          : ms < 60_000
            ? format.number(ms / 1_000, { style: 'unit', unit: 'second', maximumFractionDigits: 1 })
            : format.number(ms / 60_000, { style: 'unit', unit: 'minute', maximumFractionDigits: 1 }),
      time: (at: string | Date) => format.dateTime(new Date(at), { hour: '2-digit', minute: '2-digit' }),
      timeOfDay: (at: string | Date) => format.dateTime(new Date(at), { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
      /** With milliseconds, which tell steps of one moment apart: for a tooltip. */
      preciseTime: (at: string | Date) =>
        format.dateTime(new Date(at), { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 }),
      day: (at: string | Date) => format.dateTime(new Date(at), { dateStyle: 'medium' }),
      dateTime: (at: string | Date) => format.dateTime(new Date(at), { dateStyle: 'medium', timeStyle: 'short' }),
    }),
    [format],
  )
}
