import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { ArrowLeft, FileQuestion, RefreshCw, Trash2 } from 'lucide-react'
import { useEffect, useRef, useState, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { documentQuery } from '@/api/knowledge'
import type { WholeDocument } from '@/api/schemas/knowledge'
import { passageKey } from '@/lib/passage'
import { Badge } from '@/ui/badge'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { Notice } from '@/ui/notice'
import { Skeleton } from '@/ui/skeleton'
import { Switch } from '@/ui/switch'
import { Time } from '@/ui/time'
import { DeleteDocument } from './delete-document'
import { DocumentText } from './document-text'
import { isUpload } from './origin'
import { PassageList } from './passage-list'
import { ReplaceDocument } from './replace-document'

/** One document: its text with its passages in place. `?passage=` names the one to show. */
export function DocumentPage() {
  const t = useTranslations('knowledge')
  const { documentId } = useParams({ from: '/knowledge/documents/$documentId' })
  const { passage } = useSearch({ from: '/knowledge/documents/$documentId' })
  const { data, error, refetch } = useQuery(documentQuery(documentId))
  if (data) return <Shown key={data.id} document={data} passage={passage} />
  return (
    <Frame>
      {error && asApiError(error).code === 'NOT_FOUND' ? (
        <EmptyState icon={<FileQuestion aria-hidden size={28} />} title={<h1>{t('document.gone')}</h1>}>
          {t('document.goneHint')}
        </EmptyState>
      ) : error ? (
        <FailureNotice error={error} onRetry={() => void refetch()} />
      ) : (
        <div aria-busy className="flex flex-col gap-3">
          <h1 className="sr-only">{t('document.loading')}</h1>
          <Skeleton className="h-8 w-72" />
          <Skeleton className="h-96" />
        </div>
      )}
    </Frame>
  )
}

function Frame({ children }: { children: ReactNode }) {
  const t = useTranslations('knowledge')
  return (
    <div className="h-full overflow-auto" data-scrolls>
      <div className="mx-auto flex w-full max-w-7xl flex-col gap-4 px-4 py-5 sm:px-6">
        <Link
          to="/knowledge"
          className="inline-flex min-h-6 items-center gap-1 self-start text-sm font-medium text-muted hover:text-text"
        >
          <ArrowLeft aria-hidden size={14} />
          {t('document.back')}
        </Link>
        {children}
      </div>
    </div>
  )
}

function Shown({ document, passage }: { document: WholeDocument; passage: string | undefined }) {
  const t = useTranslations('knowledge')
  const navigate = useNavigate({ from: '/knowledge/documents/$documentId' })
  const [asking, setAsking] = useState<'delete' | 'replace'>()
  const [isSource, setSource] = useState(false)
  const heading = useRef<HTMLHeadingElement>(null)
  const chosen = document.chunks.find((part) => passageKey(part.content) === passage)

  useEffect(() => {
    // Without a passage to show, the page begins at its heading, also for those who hear it.
    if (passage === undefined) heading.current?.focus({ preventScroll: true })
    // Once, as the page appears.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [])

  return (
    <Frame>
      <header className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <h1 ref={heading} tabIndex={-1} className="text-xl font-semibold break-words outline-none">
            {document.title}
          </h1>
          <div className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-muted">
            <Badge>{document.collection}</Badge>
            <span className="min-w-0 font-mono break-all">{document.path}</span>
            <span>{isUpload(document) ? t('uploaded') : t('document.from', { root: document.root })}</span>
            <span>
              {t('document.updated')} <Time at={document.updatedAt} />
            </span>
            <span className="tabular-nums">{t('document.revision', { revision: document.revision })}</span>
          </div>
        </div>
        <div className="flex flex-wrap gap-2">
          {isUpload(document) && (
            <Button icon={<RefreshCw aria-hidden size={14} />} onClick={() => setAsking('replace')}>
              {t('replace.open')}
            </Button>
          )}
          <Button icon={<Trash2 aria-hidden size={14} />} onClick={() => setAsking('delete')}>
            {t('delete.open')}
          </Button>
        </div>
      </header>
      {passage !== undefined && !chosen && (
        <Notice tone="warning" isLive>
          {t('document.passageGone')}
        </Notice>
      )}
      <div className="grid items-start gap-5 lg:grid-cols-[17rem_minmax(0,1fr)]">
        <PassageList document={document} chosen={chosen} />
        <section aria-label={t('document.text')} className="min-w-0 rounded-card border border-line bg-surface shadow-card">
          <div className="flex justify-end border-b border-line px-4 py-1.5">
            <Switch isOn={isSource} onChange={setSource}>
              {t('document.source')}
            </Switch>
          </div>
          <DocumentText document={document} chosen={chosen} isSource={isSource} />
        </section>
      </div>
      {asking === 'delete' && (
        <DeleteDocument
          document={document}
          onClose={() => setAsking(undefined)}
          onDeleted={() => void navigate({ to: '/knowledge' })}
        />
      )}
      {asking === 'replace' && <ReplaceDocument document={document} onClose={() => setAsking(undefined)} />}
    </Frame>
  )
}
