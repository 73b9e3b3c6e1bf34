import { Link } from '@tanstack/react-router'
import { CircleAlert, CircleCheck, CircleDashed, CirclePause, LoaderCircle, TriangleAlert, X } from 'lucide-react'
import { useFormatter, useTranslations } from 'use-intl'
import { IconButton } from '@/ui/button'
import { Progress } from '@/ui/meter'
import type { ChosenFile } from './dropped-files'
import type { FileState, QueuedFile } from './queue'

/** What is chosen, and what became of what was sent. */
export function FileList({ chosen, uploads, onRemove }: {
  chosen: ChosenFile[]
  uploads: QueuedFile[]
  onRemove: (path: string) => void
}) {
  const t = useTranslations('knowledge.upload')
  if (chosen.length + uploads.length === 0) return null
  return (
    <ul aria-label={t('files')} className="flex flex-col divide-y divide-line rounded-card border border-line">
      {chosen.map(({ path, file }) => (
        <li key={path} className="flex items-center gap-2.5 py-1 pr-1 pl-3">
          <CircleDashed aria-hidden size={16} className="shrink-0 text-faint" />
          <FileName path={path} size={file.size} />
          <IconButton size="small" label={t('remove', { path })} onClick={() => onRemove(path)}>
            <X aria-hidden size={14} />
          </IconButton>
        </li>
      ))}
      {[...uploads].reverse().map((one) => (
        <li key={one.id} className="flex items-start gap-2.5 px-3 py-2">
          <StateIcon state={one.state} />
          <div className="min-w-0 grow">
            <FileName path={one.path} size={one.file.size} collection={one.collection} />
            <StateText state={one.state} path={one.path} />
          </div>
        </li>
      ))}
    </ul>
  )
}

function FileName({ path, size, collection }: { path: string; size: number; collection?: string }) {
  const format = useFormatter()
  const shown =
    size < 1024 * 1024
      ? format.number(Math.max(1, Math.round(size / 1024)), { style: 'unit', unit: 'kilobyte' })
      : format.number(size / 1024 / 1024, { style: 'unit', unit: 'megabyte', maximumFractionDigits: 1 })
  return (
    <p className="flex min-w-0 grow items-baseline gap-2">
      <span className="min-w-0 truncate font-mono text-sm">{path}</span>
      <span className="shrink-0 text-sm text-muted tabular-nums">{shown}</span>
      {collection !== undefined && <span className="shrink-0 text-sm text-muted">→ {collection}</span>}
    </p>
  )
}

function StateIcon({ state }: { state: FileState }) {
  const props = { 'aria-hidden': true, size: 16 } as const
  switch (state.kind) {
    case 'waiting':
      return <CircleDashed {...props} className="mt-0.5 shrink-0 text-faint" />
    case 'sending':
    case 'reading':
      return <LoaderCircle {...props} className="mt-0.5 shrink-0 animate-spin text-accent-text" />
    case 'taken':
      return state.remarks.length > 0 ? (
        <TriangleAlert {...props} className="mt-0.5 shrink-0 text-warning" />
      ) : (
        <CircleCheck {...props} className="mt-0.5 shrink-0 text-success" />
      )
    case 'refused':
    case 'failed':
      return <CircleAlert {...props} className="mt-0.5 shrink-0 text-danger" />
    case 'stopped':
      return <CirclePause {...props} className="mt-0.5 shrink-0 text-muted" />
  }
}

function StateText({ state, path }: { state: FileState; path: string }) {
  const t = useTranslations('knowledge.upload')
  const format = useFormatter()
  switch (state.kind) {
    case 'waiting':
      return <p className="text-sm text-muted">{t('state.waiting')}</p>
    case 'sending':
      return (
        <div className="flex items-center gap-3 text-sm text-muted">
          <span className="tabular-nums">{t('state.sending', { share: format.number(state.share, { style: 'percent' }) })}</span>
          <Progress value={state.share} label={t('progressOf', { path })} className="grow" />
        </div>
      )
    case 'reading':
      return (
        <div className="flex items-center gap-3 text-sm text-muted">
          <span>{t('state.reading')}</span>
          <Progress label={t('progressOf', { path })} className="grow" />
        </div>
      )
    case 'taken':
      return (
        <>
          <p className="text-sm text-muted">
            {t(`state.${state.as}`)}{' '}
            {state.documentId !== undefined && (
              <Link
                to="/knowledge/documents/$documentId"
                params={{ documentId: state.documentId }}
                className="text-accent-text underline underline-offset-2"
              >
                {t('see')}
              </Link>
            )}
          </p>
          {state.remarks.map((remark) => (
            <p key={remark} className="text-sm break-words text-warning">
              {remark}
            </p>
          ))}
        </>
      )
    case 'refused':
      return (
        <>
          <p className="text-sm text-danger">{t('state.refused')}</p>
          {state.reasons.map((reason) => (
            <p key={reason} className="text-sm break-words text-danger">
              {reason}
            </p>
          ))}
        </>
      )
    case 'failed':
      return <p className="text-sm break-words text-danger">{t('state.failed', { reason: state.reason })}</p>
    case 'stopped':
      return <p className="text-sm text-muted">{t('state.stopped')}</p>
  }
}
