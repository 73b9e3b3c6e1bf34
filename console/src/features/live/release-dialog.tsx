import { useMutation } from '@tanstack/react-query'
import { useState, type SyntheticEvent } from 'react'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { release, type PersonInCharge } from '@/api/live'
import { liveFeed } from '@/api/live-feed'
import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field, Input } from '@/ui/field'
import { Notice } from '@/ui/notice'
import { toast } from '@/ui/toast'
import { REASON_CHARACTERS_MAX, useMyName } from './my-name'

/** Gives a session back to the agents: one's own, or somebody else's, who is told so by name. */
export function ReleaseDialog({ sessionId, person, waiting, onClose }: {
  sessionId: string
  person: PersonInCharge
  /** Messages that the agents will answer. */
  waiting: number
  onClose: () => void
}) {
  const t = useTranslations('live.release')
  const mine = useMyName()
  const [reason, setReason] = useState('')
  const isMine = person.name === mine
  const give = useMutation({
    mutationFn: () =>
      release(sessionId, {
        ...(mine === '' ? {} : { name: mine }),
        ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
      }),
    onSuccess: () => {
      liveFeed.patch(sessionId, (one) => {
        const { person: given, ...rest } = one
        return given ? { ...rest, state: one.openTurns > 0 ? 'running' : 'idle' } : one
      })
      toast(t('done'))
      onClose()
    },
  })
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    give.mutate()
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={isMine ? t('title') : t('titleOther', { name: person.name })}
      description={t('description', { count: waiting })}
    >
      <form onSubmit={submit} className="flex flex-col gap-3">
        {!isMine && <Notice tone="warning">{t('other', { name: person.name })}</Notice>}
        {give.error && (
          <Notice tone="danger" isLive>
            {asApiError(give.error).message}
          </Notice>
        )}
        <Field label={t('reason')} hint={t('reasonHint')}>
          {(control) => (
            <Input {...control} value={reason} maxLength={REASON_CHARACTERS_MAX} onChange={(event) => setReason(event.target.value)} />
          )}
        </Field>
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button type="submit" tone={isMine ? 'primary' : 'danger'} isBusy={give.isPending}>
            {t('submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
