import { useState, type SyntheticEvent } from 'react'
import { useTranslations } from 'use-intl'
import { giveToken, isToken, useAccess } from '@/api/token'
import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field, Input } from '@/ui/field'

/** Asks for the token of a server that wants one. It is kept for this tab, and sent to this server alone. */
export function TokenPrompt() {
  const t = useTranslations('token')
  const { refused } = useAccess()
  const [text, setText] = useState('')
  const [isWrong, setWrong] = useState(false)
  const [isLater, setLater] = useState(false)
  const [wasRefused, setWasRefused] = useState(refused)

  if (wasRefused !== refused) {
    setWasRefused(refused)
    setLater(false)
  }
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    const token = text.trim()
    if (!isToken(token)) {
      setWrong(true)
      return
    }
    setWrong(false)
    setText('')
    giveToken(token)
  }
  return (
    <Dialog isOpen={refused && !isLater} onClose={() => setLater(true)} title={t('title')} description={t('description')}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Field label={t('label')} error={isWrong ? t('malformed') : undefined}>
          {(control) => (
            <Input
              {...control}
              type="password"
              autoComplete="off"
              spellCheck={false}
              className="font-mono"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" tone="primary" className="self-end">
          {t('submit')}
        </Button>
      </form>
    </Dialog>
  )
}
