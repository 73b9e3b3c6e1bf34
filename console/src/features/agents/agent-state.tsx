import { useTranslations } from 'use-intl'
import type { AgentStatus } from '@/api/generated/wire'
import { Dot } from '@/ui/badge'

/** How often a page that shows what agents do just now asks for it. */
export const LIVE_MS = 2_000

export function AgentState({ status }: { status: AgentStatus }) {
  const t = useTranslations('agents.status')
  const isAtWork = status === 'active' || status === 'routing'
  return (
    <span className="inline-flex shrink-0 items-center gap-1.5 text-sm text-muted">
      <Dot tone={isAtWork ? 'agent' : status === 'complete' ? 'success' : 'neutral'} isPulsing={isAtWork} />
      {t(status)}
    </span>
  )
}
