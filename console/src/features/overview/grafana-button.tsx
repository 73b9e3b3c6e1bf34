import { useQuery } from '@tanstack/react-query'
import { ExternalLink } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { consoleQuery } from '@/api/server'
import type { OverviewWindow } from '@/lib/overview-window'
import { grafanaLink, type Dashboard } from './grafana'

/** Leads into Grafana, where the server knows of one; else it is not there. */
export function GrafanaButton({ dashboard, window, about }: { dashboard: Dashboard; window: OverviewWindow; about?: string }) {
  const t = useTranslations('overview')
  const { data } = useQuery(consoleQuery)
  const href = data?.grafanaUrl === undefined ? undefined : grafanaLink(data.grafanaUrl, dashboard, window)
  if (href === undefined) return null
  const label = about === undefined ? t('grafana') : t('grafanaAbout', { about })
  return (
    <a
      href={href}
      target="_blank"
      rel="noreferrer"
      aria-label={label}
      title={label}
      className={
        about === undefined
          ? 'inline-flex h-control items-center gap-2 rounded-control border border-line bg-raised px-3 font-medium hover:bg-hover'
          : 'inline-flex size-control-small items-center justify-center rounded-control text-muted hover:bg-hover hover:text-text'
      }
    >
      {about === undefined && t('grafana')}
      <ExternalLink aria-hidden size={about === undefined ? 14 : 15} />
    </a>
  )
}
