import { ThumbsDown, ThumbsUp } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { Button, IconButton } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field, TextArea } from '@/ui/field'
import { toast } from '@/ui/toast'
import { useFeedback, type Rating } from './feedback'

const REASON_MAX = 1_000

/** Thumbs up and down; what is given can be said more of, and taken back. */
export function FeedbackButtons({ sessionId, messageId }: { sessionId: string; messageId: string }) {
  const t = useTranslations('chat.feedback')
  const { given, give } = useFeedback(sessionId, messageId)
  const [asks, setAsks] = useState<Rating>()

  const rate = (rating: Rating) => {
    if (given?.rating === rating) {
      give(undefined)
      return
    }
    give({ rating }, { onError: (error) => toast(t('failed', { reason: error.message }), { tone: 'danger' }) })
    if (rating === 'down') setAsks('down')
    else toast(t('thanks'), { action: { label: t('sayWhy'), run: () => setAsks('up') } })
  }
  return (
    <>
      <IconButton
        size="small"
        label={t('up')}
        aria-pressed={given?.rating === 'up'}
        className="aria-pressed:text-success"
        onClick={() => rate('up')}
      >
        <ThumbsUp aria-hidden size={14} fill={given?.rating === 'up' ? 'currentColor' : 'none'} />
      </IconButton>
      <IconButton
        size="small"
        label={t('down')}
        aria-pressed={given?.rating === 'down'}
        className="aria-pressed:text-danger"
        onClick={() => rate('down')}
      >
        <ThumbsDown aria-hidden size={14} fill={given?.rating === 'down' ? 'currentColor' : 'none'} />
      </IconButton>
      {asks && (
        <ReasonDialog
          rating={asks}
          initial={given?.reason ?? ''}
          onClose={() => setAsks(undefined)}
          onSave={(reason) => {
            give(
              { rating: asks, ...(reason === '' ? {} : { reason }) },
              { onError: (error) => toast(t('failed', { reason: error.message }), { tone: 'danger' }) },
            )
            setAsks(undefined)
          }}
        />
      )}
    </>
  )
}

function ReasonDialog({ rating, initial, onClose, onSave }: {
  rating: Rating
  initial: string
  onClose: () => void
  onSave: (reason: string) => void
}) {
  const t = useTranslations('chat.feedback')
  const [reason, setReason] = useState(initial)
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={rating === 'down' ? t('whyDown') : t('whyUp')}
      description={t('whyHint')}
      footer={
        <>
          <Button onClick={onClose}>{t('skip')}</Button>
          <Button tone="primary" onClick={() => onSave(reason.trim())}>
            {t('send')}
          </Button>
        </>
      }
    >
      <Field label={t('reason')}>
        {(control) => (
          <TextArea {...control} rows={4} maxLength={REASON_MAX} value={reason} onChange={(event) => setReason(event.target.value)} />
        )}
      </Field>
    </Dialog>
  )
}
