import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { Page } from '@/ui/page'

const LINK =
  '-mb-px inline-flex h-9 shrink-0 items-center border-b-2 border-transparent px-2.5 text-base font-medium text-muted -outline-offset-2 hover:text-text aria-[current=page]:border-accent aria-[current=page]:text-text'

/** What stands above every page of the knowledge base. */
export function KnowledgeFrame({ actions, children }: { actions?: ReactNode; children: ReactNode }) {
  const t = useTranslations('knowledge')
  return (
    <Page title={t('title')} description={t('description')} actions={actions}>
      <nav aria-label={t('title')} className="flex gap-1 overflow-x-auto border-b border-line px-1">
        <Link to="/knowledge" activeOptions={{ exact: true, includeSearch: false }} className={LINK}>
          {t('documents')}
        </Link>
        <Link to="/knowledge/search" activeOptions={{ includeSearch: false }} className={LINK}>
          {t('search')}
        </Link>
        <Link to="/knowledge/questions" activeOptions={{ includeSearch: false }} className={LINK}>
          {t('questions')}
        </Link>
      </nav>
      {children}
    </Page>
  )
}
