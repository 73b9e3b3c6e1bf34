import { Bot } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { EmptyState } from '@/ui/empty-state'
import { Page } from '@/ui/page'

export function AgentsPage() {
  const t = useTranslations('shell')
  return (
    <Page title={t('sections.agents')}>
      <EmptyState icon={<Bot aria-hidden size={28} />} title={t('sections.agents')} />
    </Page>
  )
}
