import { useMutation } from '@tanstack/react-query'
import { useState, type SyntheticEvent } from 'react'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { takeOver, type LiveSession } from '@/api/live'
import { liveFeed } from '@/api/live-feed'
import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field, Input } from '@/ui/field'
import { Notice } from '@/ui/notice'
import { Switch } from '@/ui/switch'
import { keepMyName, NAME_CHARACTERS_MAX, REASON_CHARACTERS_MAX, useMyName } from './my-name'

/** Asks who takes a session over, and why: whoever follows the session reads both. */
export function TakeoverDialog({ live, onClose }: { live: LiveSession; onClose: () => void }) {
  const t = useTranslations('live.takeover')
  const mine = useMyName()
  const [name, setName] = useState(mine)
  const [reason, setReason] = useState('')
  const [isInterrupting, setInterrupting] = useState(false)
  const [wasTried, setTried] = useState(false)
  const sessionId = live.session.id
  const isMissing = name.trim() === ''
  const isRunning = live.state === 'running'

  const take = useMutation({
    mutationFn: () =>
      takeOver(sessionId, {
        name: name.trim(),
        ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
        ...(isRunning && isInterrupting ? { interrupt: true } : {}),
      }),
    onSuccess: (person) => {
      keepMyName(person.name)
      liveFeed.patch(sessionId, (one) => ({ ...one, state: 'person', person }))
      onClose()
    },
  })
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    setTried(true)
    if (!isMissing) take.mutate()
  }
  const failure = take.error && asApiError(take.error)
  return (
    <Dialog isOpen onClose={onClose} title={t('title')} description={t('description')}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        {failure && (
          <Notice tone="danger" isLive>
            {failure.code === 'CONFLICT' ? t('taken', { reason: failure.message }) : failure.message}
          </Notice>
        )}
        <Field label={t('name')} hint={t('nameHint')} error={wasTried && isMissing ? t('nameMissing') : undefined}>
          {(control) => (
            <Input
              {...control}
              value={name}
              maxLength={NAME_CHARACTERS_MAX}
              autoComplete="name"
              // The dialog was opened to be filled in.
              // eslint-disable-next-line jsx-a11y/no-autofocus
              autoFocus
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label={t('reason')} hint={t('reasonHint')}>
          {(control) => (
            <Input {...control} value={reason} maxLength={REASON_CHARACTERS_MAX} onChange={(event) => setReason(event.target.value)} />
          )}
        </Field>
        {isRunning && (
          <div>
            <Switch isOn={isInterrupting} onChange={setInterrupting}>
              {t('interrupt')}
            </Switch>
            <p className="mt-0.5 text-sm text-muted">{t('interruptHint')}</p>
          </div>
        )}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button type="submit" tone="primary" isBusy={take.isPending}>
            {t('submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
