import type { OverviewWindow } from '@/lib/overview-window'

/** The dashboards that come with the server, by the ids that they have in any Grafana they are loaded into. */
export type Dashboard = 'overview' | 'agents' | 'models' | 'sessions' | 'store' | 'nodes'

/**
 * Where Grafana shows the same stretch of time. An address that names a dashboard already is taken as it is; one that is no
 * web address leads nowhere.
 */
export function grafanaLink(base: string, dashboard: Dashboard, window: OverviewWindow): string | undefined {
  let url: URL
  try {
    url = new URL(base)
  } catch {
    return undefined
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
  if (!/\/d(-solo)?\//.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/+$/, '')}/d/orchestratai-${dashboard}`
  url.searchParams.set('from', `now-${window}`)
  url.searchParams.set('to', 'now')
  return url.href
}
