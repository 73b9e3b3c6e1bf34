import { ArrowUp, X } from 'lucide-react'
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from 'react'
import { useTranslations } from 'use-intl'
import { classNames } from '@/lib/class-names'
import { readStored, writeStored } from '@/lib/storage'
import { IconButton } from '@/ui/button'

/** As the server counts: Unicode scalar values. */
const LENGTH_MAX = 2_000
const WARNS_FROM = 1_800

export type ComposerHandle = { edit: (content: string) => void; focus: () => void }

/** Where a message is written. A draft is kept for its session in this tab. */
export function Composer({
  sessionId,
  onSend,
  onStop,
  lastQuestion,
  isConnected,
  ref,
}: {
  /** Missing for a session that begins with this message. */
  sessionId: string | undefined
  onSend: (content: string) => void
  /** Stops the running turn, where there is one. */
  onStop: (() => void) | undefined
  /** For the arrow up in an empty field. */
  lastQuestion: string | undefined
  isConnected: boolean
  ref: Ref<ComposerHandle>
}) {
  const t = useTranslations('chat')
  const key = `orchestratai.draft.${sessionId ?? 'new'}`
  const [text, setText] = useState(() => readStored('session', key) ?? '')
  const [isEditing, setEditing] = useState(false)
  const area = useRef<HTMLTextAreaElement>(null)

  const change = (next: string) => {
    setText(next)
    writeStored('session', key, next === '' ? undefined : next)
  }
  const edit = (content: string) => {
    change(content)
    setEditing(true)
    const field = area.current
    if (!field) return
    field.focus()
    requestAnimationFrame(() => field.setSelectionRange(content.length, content.length))
  }
  useImperativeHandle(ref, () => ({ edit, focus: () => area.current?.focus() }))

  useEffect(() => {
    const field = area.current
    if (!field) return
    field.style.height = 'auto'
    field.style.height = `${Math.min(field.scrollHeight, 220)}px`
  }, [text])

  // A pointer that is a finger brings up a keyboard that hides half the page.
  useEffect(() => {
    if (!window.matchMedia('(pointer: coarse)').matches) area.current?.focus({ preventScroll: true })
  }, [sessionId])

  const length = Array.from(text).length
  const isSendable = text.trim() !== '' && length <= LENGTH_MAX
  const send = () => {
    if (!isSendable) return
    onSend(text)
    change('')
    setEditing(false)
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
      className="mx-auto w-full max-w-reading px-4 pb-3"
    >
      <div className="rounded-card border border-line-strong bg-surface shadow-card focus-within:outline-2 focus-within:outline-focus">
        {isEditing && (
          <div className="flex items-center justify-between gap-2 border-b border-line py-0.5 pr-1 pl-3 text-sm text-muted">
            {t('editing')}
            <IconButton
              size="small"
              label={t('stopEditing')}
              onClick={() => {
                change('')
                setEditing(false)
                area.current?.focus()
              }}
            >
              <X aria-hidden size={14} />
            </IconButton>
          </div>
        )}
        <div className="flex items-end gap-2 p-1.5 pl-3">
          <label htmlFor="composer" className="sr-only">
            {t('message')}
          </label>
          <textarea
            id="composer"
            ref={area}
            rows={1}
            dir="auto"
            value={text}
            placeholder={t('placeholder')}
            aria-describedby="composer-hint"
            aria-invalid={length > LENGTH_MAX}
            onChange={(event) => change(event.target.value)}
            onKeyDown={(event) => {
              if (event.nativeEvent.isComposing) return
              if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
                event.preventDefault()
                send()
              } else if (event.key === 'ArrowUp' && text === '' && lastQuestion !== undefined) {
                event.preventDefault()
                edit(lastQuestion)
              } else if (event.key === 'Escape' && onStop && text === '') {
                onStop()
              }
            }}
            className="max-h-55 min-h-control grow resize-none bg-transparent py-1.5 text-md outline-none placeholder:text-faint"
          />
          <IconButton type="submit" tone="primary" label={isConnected ? t('send') : t('sendLater')} disabled={!isSendable}>
            <ArrowUp aria-hidden size={18} />
          </IconButton>
        </div>
      </div>
      <p
        id="composer-hint"
        className={classNames('flex justify-between gap-3 px-1 pt-1 text-xs text-faint', isConnected && length < WARNS_FROM && 'pointer-coarse:hidden')}
      >
        <span className={classNames(isConnected && 'pointer-coarse:hidden')}>{isConnected ? t('composerHint') : t('composerOffline')}</span>
        <span
          role={length > LENGTH_MAX ? 'alert' : undefined}
          className={classNames('tabular-nums', length > LENGTH_MAX && 'text-danger', length < WARNS_FROM && 'invisible')}
        >
          {t('length', { length, max: LENGTH_MAX })}
        </span>
      </p>
    </form>
  )
}
