import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef } from 'react'
import { useTranslations } from 'use-intl'
import { ApiError } from '@/api/error'
import { citedDocumentQuery } from '@/api/cited-document'
import { Dialog } from '@/ui/dialog'
import { Markdown } from '@/ui/markdown/markdown'
import { Notice } from '@/ui/notice'
import { Skeleton } from '@/ui/skeleton'
import { cutAtPassage } from './cut-at-passage'
import type { Passage } from './passage'

/** A document, opened at the passage that an answer stands on. */
export function DocumentDialog({ passage, onClose, openLink }: {
  passage: Passage | undefined
  onClose: () => void
  /** Leads to the document's own page, where there is one. */
  openLink?: ((documentId: string) => React.ReactNode) | undefined
}) {
  if (!passage) return null
  return <OpenDocument passage={passage} onClose={onClose} openLink={openLink} />
}

function OpenDocument({ passage, onClose, openLink }: {
  passage: Passage
  onClose: () => void
  openLink: ((documentId: string) => React.ReactNode) | undefined
}) {
  const t = useTranslations('log')
  const { data, error, isPending } = useQuery(citedDocumentQuery(passage.source, passage.collection))
  const mark = useRef<HTMLElement>(null)
  const parts = useMemo(() => (data ? cutAtPassage(data, passage) : undefined), [data, passage])

  useEffect(() => {
    if (parts) mark.current?.scrollIntoView({ block: 'center' })
  }, [parts])

  const isUnknown = error instanceof ApiError && error.code === 'NOT_FOUND'
  return (
    <Dialog
      isOpen
      onClose={onClose}
      size="full"
      title={<bdi>{data?.title ?? passage.title ?? passage.source}</bdi>}
      description={
        <span className="flex flex-wrap gap-x-3 font-mono text-sm">
          <bdi>{passage.source}</bdi>
          {passage.headings && passage.headings.length > 0 && <bdi>{passage.headings.join(' › ')}</bdi>}
          {data && openLink?.(data.id)}
        </span>
      }
    >
      {isPending && (
        <div aria-busy className="flex flex-col gap-3">
          <Skeleton className="h-6 w-1/2" />
          <Skeleton className="h-40" />
        </div>
      )}
      {error && (
        <>
          <Notice tone={isUnknown ? 'warning' : 'danger'}>{isUnknown ? t('documentGone') : error.message}</Notice>
          {passage.content !== undefined && (
            <mark className="mt-3 block rounded-control bg-accent-soft p-3 text-text">
              <Markdown text={passage.content} />
            </mark>
          )}
        </>
      )}
      {parts && (
        <div className="mx-auto max-w-reading">
          {parts.before !== '' && <Markdown text={parts.before} />}
          {parts.passage !== '' && (
            <mark ref={mark} aria-label={t('passage')} className="-mx-3 my-3 block rounded-control border-l-3 border-accent bg-accent-soft px-3 py-2 text-text">
              <Markdown text={parts.passage} />
            </mark>
          )}
          {parts.after !== '' && <Markdown text={parts.after} />}
        </div>
      )}
    </Dialog>
  )
}
