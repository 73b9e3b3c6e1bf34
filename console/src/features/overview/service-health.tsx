import { useQuery } from '@tanstack/react-query'
import { useTranslations } from 'use-intl'
import { servicesQuery } from '@/api/overview'
import type { OverviewWindow } from '@/lib/overview-window'
import { Dot } from '@/ui/badge'
import { Card, CardHeader } from '@/ui/card'
import { Notice } from '@/ui/notice'
import { Skeleton } from '@/ui/skeleton'
import { GrafanaButton } from './grafana-button'

const TONES = { up: 'success', degraded: 'warning', down: 'danger' } as const

/** The parts that the server depends on. */
export function ServiceHealth({ window }: { window: OverviewWindow }) {
  const t = useTranslations('overview.services')
  const { data, error } = useQuery(servicesQuery)
  return (
    <Card>
      <CardHeader title={t('title')} description={t('description')}>
        <GrafanaButton dashboard="store" window={window} about={t('title')} />
      </CardHeader>
      <div className="px-4 pb-3">
        {error && !data && <Notice tone="danger">{error.message}</Notice>}
        {!data && !error && <Skeleton className="h-24" />}
        {data && (
          <ul className="divide-y divide-line">
            {data.services.map((service) => (
              <li key={service.name} className="py-1.5">
                <p className="flex items-center gap-2">
                  <Dot tone={TONES[service.state]} />
                  <span className="min-w-0 grow truncate font-mono text-sm">{service.name}</span>
                  <span className={service.state === 'up' ? 'text-muted' : 'font-medium'}>{t(`states.${service.state}`)}</span>
                </p>
                {service.detail !== undefined && <p className="pl-4 text-sm break-words text-muted">{service.detail}</p>}
              </li>
            ))}
          </ul>
        )}
      </div>
    </Card>
  )
}
