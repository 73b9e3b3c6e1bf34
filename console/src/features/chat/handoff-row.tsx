import { Bot, UserRound } from 'lucide-react'
import { memo } from 'react'
import { useTranslations } from 'use-intl'
import type { SessionHandoff } from '@/api/socket/view'
import { useFigures } from '@/ui/figures'
import type { Place } from './rows'

/** The session changed hands: a person has it from here on, or the agents have it again. */
export const HandoffRow = memo(function HandoffRow({ handoff, place }: { handoff: SessionHandoff; place: Place }) {
  const t = useTranslations('chat')
  const figures = useFigures()
  const { to, by, reason } = handoff.data
  const isTaken = to === 'person'
  const words = t(isTaken ? 'takenOver' : 'handedBack', { name: by ?? t('person') })
  const Icon = isTaken ? UserRound : Bot
  return (
    <article aria-label={words} aria-posinset={place.at} aria-setsize={place.of} className="flex flex-col items-center gap-0.5 text-center text-sm text-muted">
      <p className="flex flex-wrap items-center justify-center gap-x-1.5 font-medium">
        <Icon aria-hidden size={14} />
        <bdi>{words}</bdi>
        <time dateTime={handoff.at} className="font-normal text-faint tabular-nums">
          {figures.time(handoff.at)}
        </time>
      </p>
      {/* Where nobody gave a reason the server's own words say the same as ours. */}
      {by !== undefined && !reason.startsWith(`${by} has `) && (
        <p dir="auto" className="max-w-[85%] wrap-anywhere">
          {reason}
        </p>
      )}
    </article>
  )
})
