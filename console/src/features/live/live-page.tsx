import { Radio } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { EmptyState } from '@/ui/empty-state'
import { Page } from '@/ui/page'

export function LivePage() {
  const t = useTranslations('shell')
  return (
    <Page title={t('sections.live')}>
      <EmptyState icon={<Radio aria-hidden size={28} />} title={t('sections.live')} />
    </Page>
  )
}
