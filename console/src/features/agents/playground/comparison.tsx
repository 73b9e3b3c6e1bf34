import { useState } from 'react'
import { useTranslations } from 'use-intl'
import type { Trials } from '@/api/schemas/agents'
import { Switch } from '@/ui/switch'
import { TrialCard } from './trial-card'
import { wordsDiff } from './words-diff'

/** Both answers beside each other, with what differs marked. */
export function Comparison({ trials: { current, draft } }: { trials: Trials }) {
  const t = useTranslations('agents.playground')
  const [marks, setMarks] = useState(true)
  if (!draft) return <TrialCard title={t('current')} trial={current} />
  const hasFailed = current.error !== undefined || draft.error !== undefined
  const isSame = current.answer === draft.answer
  const diff =
    marks && !isSame && !hasFailed
      ? wordsDiff(current.answer, draft.answer)
      : undefined
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p role="status" className="text-muted">
          {hasFailed ? t('oneFailed') : isSame ? t('sameAnswer') : t('otherAnswer')}
        </p>
        {!isSame && !hasFailed && (
          <Switch isOn={marks} onChange={setMarks}>
            {t('marks')}
          </Switch>
        )}
      </div>
      <div className="grid items-start gap-4 md:grid-cols-2">
        <TrialCard title={t('current')} trial={current} other={draft} pieces={diff?.before} mark="del" />
        <TrialCard title={t('draft')} trial={draft} other={current} pieces={diff?.after} mark="ins" isDraft />
      </div>
    </div>
  )
}
