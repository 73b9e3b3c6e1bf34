import { ShieldQuestion } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import type { Turn, TurnNote } from '@/api/socket/view'
import { Button } from '@/ui/button'
import { Field, Input, TextArea } from '@/ui/field'
import { useFigures } from '@/ui/figures'
import { useChatActions } from './actions'

type Requested = Extract<TurnNote, { type: 'approval_requested' }>
type Resolved = Extract<TurnNote, { type: 'approval_resolved' }>

/** What an agent wants to do and may not without somebody's word. */
export function ApprovalCards({ turn }: { turn: Turn }) {
  const requested = turn.notes.filter((note): note is Requested => note.type === 'approval_requested')
  if (requested.length === 0) return null
  return requested.map((note) => {
    const resolved = turn.notes.find(
      (other): other is Resolved => other.type === 'approval_resolved' && other.data.approvalId === note.data.approvalId,
    )
    return <ApprovalCard key={note.seq} requested={note.data} resolved={resolved?.data} hasEnded={turn.outcome !== undefined} />
  })
}

function ApprovalCard({ requested, resolved, hasEnded }: {
  requested: Requested['data']
  resolved: Resolved['data'] | undefined
  hasEnded: boolean
}) {
  const t = useTranslations('chat')
  return (
    <section aria-label={t('approval.title')} className="rounded-card border border-line bg-surface p-3">
      <p className="flex items-center gap-2 font-medium">
        <ShieldQuestion aria-hidden size={16} className="text-warning" />
        {t('approval.wants', { tool: requested.tool })}
      </p>
      <p className="mt-1 text-base text-muted">{requested.reason}</p>
      {(resolved ?? hasEnded) && <Arguments value={resolved?.arguments ?? requested.arguments} />}
      {resolved ? (
        <>
          <p className="mt-2 text-sm">{t(`approval.${resolved.decision}`, { by: resolved.by })}</p>
          {resolved.reason !== undefined && <p className="mt-1 text-sm text-muted">{resolved.reason}</p>}
        </>
      ) : (
        !hasEnded && <Verdict requested={requested} />
      )}
    </section>
  )
}

function Arguments({ value }: { value: unknown }) {
  return (
    <pre className="mt-2 max-h-40 overflow-auto rounded-control bg-sunken p-2 font-mono text-xs wrap-anywhere whitespace-pre-wrap">
      {asText(value)}
    </pre>
  )
}

/** Where somebody decides: as it is wanted, with other arguments, or not at all, and why. */
function Verdict({ requested }: { requested: Requested['data'] }) {
  const t = useTranslations('chat')
  const figures = useFigures()
  const { resolveApproval } = useChatActions()
  const [draft, setDraft] = useState<string>()
  const [reason, setReason] = useState('')
  const changed = draft === undefined || draft === asText(requested.arguments) ? undefined : asObject(draft)
  const isWrong = changed === null
  const decide = (decision: 'approved' | 'rejected') => {
    resolveApproval(requested.approvalId, decision, {
      ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
      ...(decision === 'approved' && changed ? { arguments: changed } : {}),
    })
  }
  return (
    <>
      {draft === undefined ? (
        <Arguments value={requested.arguments} />
      ) : (
        <Field label={t('approval.arguments')} error={isWrong && t('approval.noObject')} className="mt-2">
          {(control) => (
            <TextArea
              {...control}
              value={draft}
              spellCheck={false}
              className="font-mono text-xs"
              rows={Math.min(12, draft.split('\n').length + 1)}
              onChange={(event) => setDraft(event.target.value)}
            />
          )}
        </Field>
      )}
      <Field label={t('approval.reason')} className="mt-2">
        {(control) => (
          <Input {...control} value={reason} maxLength={1000} onChange={(event) => setReason(event.target.value)} />
        )}
      </Field>
      <div className="mt-2 flex flex-wrap items-center gap-2">
        <Button size="small" tone="primary" disabled={isWrong} onClick={() => decide('approved')}>
          {t('approval.approve')}
        </Button>
        <Button size="small" onClick={() => decide('rejected')}>
          {t('approval.reject')}
        </Button>
        {draft === undefined && (
          <Button size="small" onClick={() => setDraft(asText(requested.arguments))}>
            {t('approval.change')}
          </Button>
        )}
        <span className="text-sm text-muted">{t('approval.expires', { at: figures.time(requested.expiresAt) })}</span>
      </div>
    </>
  )
}

function asText(value: unknown): string {
  return JSON.stringify(value, undefined, 2)
}

/** What a text says as JSON; null where that is no object. */
function asObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
