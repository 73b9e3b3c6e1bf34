import { CircleAlert, Clock, Pencil, RotateCcw, Trash2 } from 'lucide-react'
import { memo } from 'react'
import { useTranslations } from 'use-intl'
import type { Outgoing } from '@/api/socket/outbox'
import type { Turn } from '@/api/socket/view'
import { Button, IconButton } from '@/ui/button'
import { useFigures } from '@/ui/figures'
import { CopyButton } from '@/ui/markdown/code-block'
import { useChatActions } from './actions'
import type { Place } from './rows'

/** What somebody asked, as it was typed. */
export const QuestionRow = memo(function QuestionRow({ turn, place }: { turn: Turn; place: Place }) {
  const t = useTranslations('chat')
  const figures = useFigures()
  const { edit, isReadOnly = false } = useChatActions()
  const content = turn.question?.content ?? ''
  return (
    <article
      aria-label={t(isReadOnly ? 'messageOfUser' : 'yourMessage')}
      aria-posinset={place.at}
      aria-setsize={place.of}
      className="group flex flex-col items-end gap-0.5"
    >
      <Bubble content={content} />
      <div className="flex items-center gap-0.5 text-xs text-faint">
        {turn.acceptedAt !== undefined && <time dateTime={turn.acceptedAt}>{figures.time(turn.acceptedAt)}</time>}
        {turn.isFresh === true && <span className="ml-1">· {t('fresh')}</span>}
        <span className="flex opacity-60 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100">
          <CopyButton text={content} label={t('copyMessage')} />
          {!isReadOnly && (
            <IconButton size="small" label={t('editAndResend')} onClick={() => edit(content)}>
              <Pencil aria-hidden size={14} />
            </IconButton>
          )}
        </span>
      </div>
    </article>
  )
})

/** A message on its way, or one that was not taken: it is rolled back, and waits for a decision. */
export const OutgoingRow = memo(function OutgoingRow({ outgoing, place }: { outgoing: Outgoing; place: Place }) {
  const t = useTranslations('chat')
  const { retryOutgoing, discardOutgoing, edit } = useChatActions()
  const { clientMessageId, content, state, error } = outgoing
  return (
    <article aria-label={t('yourMessage')} aria-posinset={place.at} aria-setsize={place.of} className="flex flex-col items-end gap-1">
      <Bubble content={content} isFaint />
      {state !== 'failed' && (
        <p className="flex items-center gap-1 text-xs text-muted">
          <Clock aria-hidden size={12} />
          {t(state === 'waiting' ? 'waitsForConnection' : 'sending')}
        </p>
      )}
      {state === 'failed' && (
        <div role="alert" className="flex flex-wrap items-center justify-end gap-2 text-sm text-danger">
          <CircleAlert aria-hidden size={14} />
          <span>{t('notSent', { reason: error?.message ?? '' })}</span>
          <Button size="small" icon={<RotateCcw aria-hidden size={14} />} onClick={() => retryOutgoing(clientMessageId)}>
            {t('retry')}
          </Button>
          <Button
            size="small"
            icon={<Pencil aria-hidden size={14} />}
            onClick={() => {
              discardOutgoing(clientMessageId)
              edit(content)
            }}
          >
            {t('edit')}
          </Button>
          <IconButton size="small" label={t('discard')} onClick={() => discardOutgoing(clientMessageId)}>
            <Trash2 aria-hidden size={14} />
          </IconButton>
        </div>
      )}
    </article>
  )
})

function Bubble({ content, isFaint = false }: { content: string; isFaint?: boolean }) {
  return (
    <p
      dir="auto"
      className={`max-w-[85%] rounded-card rounded-br-sm bg-accent-soft px-3.5 py-2 text-md wrap-anywhere whitespace-pre-wrap [unicode-bidi:isolate] ${isFaint ? 'opacity-75' : ''}`}
    >
      {content}
    </p>
  )
}
