/** How far back the overview looks. */
export const OVERVIEW_WINDOWS = ['15m', '1h', '6h', '24h'] as const

export type OverviewWindow = (typeof OVERVIEW_WINDOWS)[number]

const MINUTES: Record<OverviewWindow, number> = { '15m': 15, '1h': 60, '6h': 360, '24h': 1_440 }

/** What an address names, and the usual window where it names none that there is. */
export function overviewWindow(named: unknown): OverviewWindow {
  return OVERVIEW_WINDOWS.find((window) => window === named) ?? '1h'
}

export function windowMs(window: OverviewWindow): number {
  return MINUTES[window] * 60_000
}
