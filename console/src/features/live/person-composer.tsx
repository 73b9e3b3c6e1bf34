import { useMutation } from '@tanstack/react-query'
import { SendHorizontal } from 'lucide-react'
import { useRef, useState, type SyntheticEvent } from 'react'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { replyAsPerson } from '@/api/live'
import { uuidV7 } from '@/api/socket/uuid'
import { classNames } from '@/lib/class-names'
import { readStored, writeStored } from '@/lib/storage'
import { Button } from '@/ui/button'
import { TextArea } from '@/ui/field'
import { Notice } from '@/ui/notice'
import { Elapsed } from './elapsed'
import { REPLY_CHARACTERS_MAX } from './my-name'

/** A message that waits for the person who has the session. */
export type Waiting = { turnId: string; question: string; since: string }

/** Where a person answers in the agents' place. The draft is kept in this tab until it is sent. */
export function PersonComposer({ sessionId, name, waiting }: { sessionId: string; name: string; waiting: readonly Waiting[] }) {
  const t = useTranslations('live.reply')
  const key = `orchestratai.reply.${sessionId}`
  const [text, setText] = useState(() => readStored('session', key) ?? '')
  const [chosen, setChosen] = useState<string>()
  // What was sent, and under which id: the same again is the same message, however often it is sent.
  const sent = useRef<{ content: string; turnId: string | undefined; clientMessageId: string }>(undefined)
  const field = useRef<HTMLTextAreaElement>(null)
  const answered = waiting.find((one) => one.turnId === chosen) ?? waiting[0]

  const change = (next: string) => {
    setText(next)
    writeStored('session', key, next === '' ? undefined : next)
  }
  const say = useMutation({
    mutationFn: () => {
      const content = text.trim()
      const turnId = answered?.turnId
      if (sent.current?.content !== content || sent.current.turnId !== turnId) {
        sent.current = { content, turnId, clientMessageId: uuidV7() }
      }
      const { clientMessageId } = sent.current
      return replyAsPerson(sessionId, { content, clientMessageId, ...(turnId === undefined ? {} : { turnId }) })
    },
    onSuccess: () => {
      sent.current = undefined
      change('')
      setChosen(undefined)
      field.current?.focus()
    },
  })
  const length = Array.from(text.trim()).length
  const isSendable = length > 0 && length <= REPLY_CHARACTERS_MAX && !say.isPending
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    if (isSendable) say.mutate()
  }
  return (
    <form onSubmit={submit} aria-label={t('form', { name })} className="shrink-0 border-t border-line bg-surface">
      <div className="mx-auto flex w-full max-w-reading flex-col gap-2 px-4 py-3">
        {waiting.length === 0 && <p className="text-sm text-muted">{t('nobodyWaits')}</p>}
        {waiting.length > 0 && (
          <fieldset className="flex max-h-32 flex-col overflow-auto">
            <legend className="pb-1 text-sm font-medium">{t('waiting', { count: waiting.length })}</legend>
            {waiting.map((one) => (
              <label key={one.turnId} className="flex min-h-7 items-center gap-2 rounded-control px-1 text-base hover:bg-hover">
                <input
                  type="radio"
                  name="answered"
                  className="size-4 shrink-0 accent-(--accent)"
                  checked={one.turnId === answered?.turnId}
                  onChange={() => setChosen(one.turnId)}
                />
                <bdi className="min-w-0 grow truncate">{one.question}</bdi>
                <span className="shrink-0 text-sm text-muted">
                  <Elapsed since={one.since} />
                </span>
              </label>
            ))}
          </fieldset>
        )}
        {say.error && (
          <Notice tone="danger" isLive>
            {t('failed', { reason: asApiError(say.error).message })}
          </Notice>
        )}
        <div className="flex items-end gap-2">
          <TextArea
            ref={field}
            aria-label={t('label')}
            aria-describedby="person-reply-hint"
            aria-invalid={length > REPLY_CHARACTERS_MAX}
            dir="auto"
            rows={2}
            value={text}
            placeholder={answered ? t('placeholder') : t('placeholderUnasked')}
            onChange={(event) => change(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.nativeEvent.isComposing) return
              event.preventDefault()
              if (isSendable) say.mutate()
            }}
            className="min-h-14! grow resize-none"
          />
          <Button
            type="submit"
            tone="primary"
            isBusy={say.isPending}
            disabled={!isSendable}
            icon={<SendHorizontal aria-hidden size={16} />}
          >
            {t('send')}
          </Button>
        </div>
        <p id="person-reply-hint" className="flex justify-between gap-3 text-xs text-faint">
          <span>
            {t('hint', { name })} <span className="pointer-coarse:hidden">{t('keysHint')}</span>
          </span>
          <span
            role={length > REPLY_CHARACTERS_MAX ? 'alert' : undefined}
            className={classNames('tabular-nums', length > REPLY_CHARACTERS_MAX ? 'text-danger' : length < 1_800 && 'invisible')}
          >
            {t('length', { length, max: REPLY_CHARACTERS_MAX })}
          </span>
        </p>
      </div>
    </form>
  )
}
