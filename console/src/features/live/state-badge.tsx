import { CircleDashed, LoaderCircle, UserRound } from 'lucide-react'
import { useTranslations } from 'use-intl'
import type { LiveState } from '@/lib/live-search'
import { Badge } from '@/ui/badge'

const LOOKS = {
  running: { tone: 'success', Icon: LoaderCircle },
  person: { tone: 'accent', Icon: UserRound },
  idle: { tone: 'neutral', Icon: CircleDashed },
} as const

/** What a session does: by words and picture, not by colour alone. */
export function StateBadge({ state }: { state: LiveState }) {
  const t = useTranslations('live.states')
  const { tone, Icon } = LOOKS[state]
  return (
    <Badge tone={tone} icon={<Icon aria-hidden size={12} />}>
      {t(state)}
    </Badge>
  )
}
