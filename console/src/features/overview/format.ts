import { useMemo } from 'react'
import { useFormatter, useTranslations } from 'use-intl'

export type Format = (value: number) => string

/** How the figures of the overview are written: each with its unit, in the language of the reader. */
export type Formats = {
  count: Format
  /** Events each second, or each minute where there are so few that a second says little. */
  rate: (most: number) => Format
  duration: Format
  /** Of a plot's axis, where there is little room. */
  share: Format
  tokens: Format
  tokensPerSecond: Format
  cost: Format
  costPerHour: Format
}

export function useFormats(): Formats {
  const t = useTranslations('overview.units')
  const format = useFormatter()
  return useMemo(() => {
    const short = (value: number) => format.number(value, { maximumSignificantDigits: 3 })
    const compact = (value: number) => format.number(value, { notation: 'compact', maximumSignificantDigits: 3 })
    const money = (value: number) =>
      format.number(value, {
        style: 'currency',
        currency: 'USD',
        ...(Math.abs(value) >= 1 || value === 0 ? { maximumFractionDigits: 2 } : { maximumSignificantDigits: 2 }),
      })
    return {
      count: (value) => format.number(value),
      rate: (most) =>
        most < 1 ? (value) => t('perMinute', { value: short(value * 60) }) : (value) => t('perSecond', { value: short(value) }),
      duration: (value) => {
        if (value < 1_000) return t('milliseconds', { value: value < 10 ? short(value) : format.number(Math.round(value)) })
        if (value < 60_000) return t('seconds', { value: short(value / 1_000) })
        return t('minutes', { value: short(value / 60_000) })
      },
      share: (value) => format.number(value, { style: 'percent', maximumFractionDigits: value > 0 && value < 0.1 ? 1 : 0 }),
      tokens: compact,
      tokensPerSecond: (value) => t('perSecond', { value: compact(value) }),
      cost: money,
      costPerHour: (value) => t('perHour', { value: money(value) }),
    }
  }, [format, t])
}
