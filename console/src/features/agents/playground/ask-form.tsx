import { Play, Square } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { Button } from '@/ui/button'
import { Card } from '@/ui/card'
import { Field, TextArea } from '@/ui/field'

const MESSAGE_MAX = 2000

export function AskForm({ isBusy, hasDraft, onAsk, onStop }: {
  isBusy: boolean
  hasDraft: boolean
  onAsk: (message: string) => void
  onStop: () => void
}) {
  const t = useTranslations('agents.playground')
  const [message, setMessage] = useState('')
  const ask = () => {
    const text = message.trim()
    if (text !== '' && !isBusy) onAsk(text)
  }
  return (
    <Card>
      <form
        className="flex flex-col gap-3 p-4"
        onSubmit={(event) => {
          event.preventDefault()
          ask()
        }}
      >
        <Field label={t('message')} hint={<span className="pointer-coarse:hidden">{t('messageHint')}</span>}>
          {(control) => (
            <TextArea
              {...control}
              rows={2}
              className="min-h-14"
              maxLength={MESSAGE_MAX}
              value={message}
              onChange={(event) => setMessage(event.target.value)}
              onKeyDown={(event) => {
                // While an input method composes, Enter is its own.
                if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
                event.preventDefault()
                ask()
              }}
            />
          )}
        </Field>
        <div className="flex flex-wrap items-center justify-end gap-3">
          <p className="grow text-sm text-muted">{hasDraft ? t('willCompare') : t('willRunCurrent')}</p>
          {isBusy && (
            <Button icon={<Square aria-hidden size={14} />} onClick={onStop}>
              {t('stop')}
            </Button>
          )}
          <Button type="submit" tone="primary" icon={<Play aria-hidden size={14} />} isBusy={isBusy} disabled={message.trim() === ''}>
            {hasDraft ? t('askBoth') : t('ask')}
          </Button>
        </div>
      </form>
    </Card>
  )
}
