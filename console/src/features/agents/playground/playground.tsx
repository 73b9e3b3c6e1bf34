import { useMutation, useQuery } from '@tanstack/react-query'
import { FlaskConical } from 'lucide-react'
import { useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import { tryAgent } from '@/api/agents'
import { asApiError, type ApiError } from '@/api/error'
import { collectionsQuery } from '@/api/knowledge'
import type { AgentDefinition, Trials } from '@/api/schemas/agents'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { Notice } from '@/ui/notice'
import { AskForm } from './ask-form'
import { Comparison } from './comparison'
import { changedFields, draftOf, formOf, type DraftForm } from './draft'
import { DraftEditor } from './draft-editor'

/** Runs a draft of the agent beside the one that is served. Nothing is stored, and nobody else meets the draft. */
export function Playground({ definition }: { definition: AgentDefinition }) {
  const t = useTranslations('agents.playground')
  const [form, setForm] = useState<DraftForm>(() => formOf(definition))
  const { data: collections } = useQuery(collectionsQuery)
  const abort = useRef<AbortController | undefined>(undefined)
  const trial = useMutation({
    mutationFn: async (message: string) => {
      const draft = draftOf(definition, form)
      abort.current = new AbortController()
      return tryAgent(definition.id, { message, ...(draft ? { draft } : {}) }, abort.current.signal)
    },
  })
  const changed = changedFields(definition, form)
  const wasStopped = trial.error instanceof DOMException && trial.error.name === 'AbortError'
  const failure = trial.error && !wasStopped ? asApiError(trial.error) : undefined
  const names = [...new Set([...(collections ?? []).map(({ name }) => name), ...definition.collections])]

  return (
    <div className="grid items-start gap-4 lg:grid-cols-[20rem_minmax(0,1fr)]">
      <DraftEditor
        definition={definition}
        form={form}
        changed={changed}
        collections={names}
        wrong={wrongFields(failure)}
        onChange={(change) => setForm((now) => ({ ...now, ...change }))}
        onReset={() => setForm(formOf(definition))}
      />
      <div className="flex min-w-0 flex-col gap-4">
        <AskForm
          isBusy={trial.isPending}
          hasDraft={changed.length > 0}
          onAsk={(message) => trial.mutate(message)}
          onStop={() => abort.current?.abort()}
        />
        {failure && (
          <FailureNotice error={failure} {...(failure.isRetryable && trial.variables !== undefined ? { onRetry: () => trial.mutate(trial.variables) } : {})} />
        )}
        {wasStopped && <Notice isLive>{t('stopped')}</Notice>}
        <Result trials={trial.data} isPending={trial.isPending} />
      </div>
    </div>
  )
}

function Result({ trials, isPending }: { trials: Trials | undefined; isPending: boolean }) {
  const t = useTranslations('agents.playground')
  if (isPending) {
    return (
      <p role="status" className="py-8 text-center text-muted">
        {t('running')}
      </p>
    )
  }
  if (trials) return <Comparison trials={trials} />
  return (
    <EmptyState icon={<FlaskConical aria-hidden size={28} />} title={t('begin')}>
      {t('beginHint')}
    </EmptyState>
  )
}

/** `draft.strategy must be …` belongs to the field `strategy`. */
function wrongFields(failure: ApiError | undefined): ReadonlyMap<string, string> {
  const details = failure?.more.details ?? []
  return new Map(details.map(({ field, message }) => [field.replace(/^draft\./, '').split('.')[0] ?? field, message]))
}
