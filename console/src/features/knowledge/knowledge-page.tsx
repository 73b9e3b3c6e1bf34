import { Library } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { EmptyState } from '@/ui/empty-state'
import { Page } from '@/ui/page'

export function KnowledgePage() {
  const t = useTranslations('shell')
  return (
    <Page title={t('sections.knowledge')}>
      <EmptyState icon={<Library aria-hidden size={28} />} title={t('sections.knowledge')} />
    </Page>
  )
}
