import { Activity } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { EmptyState } from '@/ui/empty-state'
import { Page } from '@/ui/page'

export function OverviewPage() {
  const t = useTranslations('shell')
  return (
    <Page title={t('sections.overview')}>
      <EmptyState icon={<Activity aria-hidden size={28} />} title={t('sections.overview')} />
    </Page>
  )
}
