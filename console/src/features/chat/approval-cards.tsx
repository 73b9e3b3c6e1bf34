import { ShieldQuestion } from 'lucide-react'
import { useTranslations } from 'use-intl'
import type { Turn, TurnNote } from '@/api/socket/view'
import { Button } from '@/ui/button'
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
  const figures = useFigures()
  const { resolveApproval } = useChatActions()
  return (
    <section aria-label={t('approval.title')} className="rounded-card border border-line bg-surface p-3">
      <p className="flex items-center gap-2 font-medium">
        <ShieldQuestion aria-hidden size={16} className="text-warning" />
        {t('approval.wants', { tool: requested.tool })}
      </p>
      <p className="mt-1 text-base text-muted">{requested.reason}</p>
      <pre className="mt-2 max-h-40 overflow-auto rounded-control bg-sunken p-2 font-mono text-xs wrap-anywhere whitespace-pre-wrap">
        {JSON.stringify(requested.arguments, undefined, 2)}
      </pre>
      {resolved ? (
        <p className="mt-2 text-sm">{t(`approval.${resolved.decision}`, { by: resolved.by })}</p>
      ) : (
        !hasEnded && (
          <div className="mt-2 flex flex-wrap items-center gap-2">
            <Button size="small" tone="primary" onClick={() => resolveApproval(requested.approvalId, 'approved')}>
              {t('approval.approve')}
            </Button>
            <Button size="small" onClick={() => resolveApproval(requested.approvalId, 'rejected')}>
              {t('approval.reject')}
            </Button>
            <span className="text-sm text-muted">{t('approval.expires', { at: figures.time(requested.expiresAt) })}</span>
          </div>
        )
      )}
    </section>
  )
}
