import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { FileText, Upload } from 'lucide-react'
import { useRef, useState, type DragEvent } from 'react'
import { useTranslations } from 'use-intl'
import { collectionsQuery, documentsQuery } from '@/api/knowledge'
import { Button } from '@/ui/button'
import { Card } from '@/ui/card'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { Skeleton } from '@/ui/skeleton'
import { CollectionChoice } from './documents/collection-choice'
import { DocumentFilter } from './documents/document-filter'
import { DocumentTable } from './documents/document-table'
import { KnowledgeFrame } from './knowledge-frame'
import { droppedFiles, type ChosenFile } from './upload/dropped-files'
import { UploadDialog } from './upload/upload-dialog'
import { UploadState } from './upload/upload-state'

/** The collections and what is in them. Files may be dropped anywhere on it. */
export function KnowledgePage() {
  const t = useTranslations('knowledge')
  const { collection, query } = useSearch({ from: '/knowledge' })
  const navigate = useNavigate({ from: '/knowledge' })
  const collections = useQuery(collectionsQuery)
  const documents = useInfiniteQuery(documentsQuery({ collection, query }))
  const [upload, setUpload] = useState<{ dropped: ChosenFile[] }>()
  const drop = useDrop((dropped) => setUpload({ dropped }))
  const rows = documents.data?.pages.flatMap((page) => page.documents) ?? []
  const isFiltered = collection !== undefined || query !== undefined
  const openUpload = () => setUpload({ dropped: [] })

  return (
    <div {...drop.target} className="relative h-full">
      <KnowledgeFrame
        actions={
          <Button tone="primary" icon={<Upload aria-hidden size={16} />} onClick={openUpload}>
            {t('upload.open')}
          </Button>
        }
      >
        <UploadState onShow={openUpload} />
        {collections.error && (
          <FailureNotice error={collections.error} onRetry={() => void collections.refetch()} />
        )}
        {collections.data && (
          <CollectionChoice
            collections={collections.data}
            chosen={collection}
            onChoose={(next) => void navigate({ search: (now) => ({ ...now, collection: next }) })}
          />
        )}
        <Card>
          <div className="flex flex-wrap items-end justify-between gap-3 p-4 pb-3">
            <DocumentFilter
              key={query}
              query={query ?? ''}
              onChange={(next) =>
                void navigate({ search: (now) => ({ ...now, query: next === '' ? undefined : next }), replace: true })
              }
            />
          </div>
          {documents.error ? (
            <FailureNotice error={documents.error} onRetry={() => void documents.refetch()} className="m-4 mt-0" />
          ) : documents.isPending ? (
            <Loading />
          ) : rows.length === 0 ? (
            <EmptyState
              icon={<FileText aria-hidden size={28} />}
              title={isFiltered ? t('noMatch') : t('noDocuments')}
              actions={
                isFiltered ? (
                  <Button onClick={() => void navigate({ search: {} })}>{t('showAll')}</Button>
                ) : (
                  <Button tone="primary" onClick={openUpload}>
                    {t('upload.open')}
                  </Button>
                )
              }
            >
              {isFiltered ? undefined : t('noDocumentsHint')}
            </EmptyState>
          ) : (
            <>
              <DocumentTable documents={rows} />
              <div className="flex items-center justify-between gap-3 px-4 py-2.5 text-sm text-muted">
                <p role="status">{t('shown', { count: rows.length, more: String(documents.hasNextPage) })}</p>
                {documents.hasNextPage && (
                  <Button size="small" isBusy={documents.isFetchingNextPage} onClick={() => void documents.fetchNextPage()}>
                    {t('older')}
                  </Button>
                )}
              </div>
            </>
          )}
        </Card>
      </KnowledgeFrame>
      {drop.isOver && (
        <div
          aria-hidden
          className="pointer-events-none absolute inset-3 z-20 flex items-center justify-center rounded-card border-2 border-dashed border-accent bg-accent-soft text-lg font-semibold text-accent-text opacity-95"
        >
          {t('upload.drop')}
        </div>
      )}
      {upload && <UploadDialog dropped={upload.dropped} collection={collection} onClose={() => setUpload(undefined)} />}
    </div>
  )
}

function Loading() {
  const t = useTranslations('common')
  return (
    <div aria-busy aria-label={t('loading')} role="status" className="flex flex-col gap-2 p-4 pt-0">
      {Array.from({ length: 6 }, (_, at) => (
        <Skeleton key={at} className="h-9" />
      ))}
    </div>
  )
}

/** Files that are dragged over the page; a text that is dragged is none of it. */
function useDrop(onDrop: (files: ChosenFile[]) => void) {
  const [isOver, setOver] = useState(false)
  // Entering a child comes before leaving its parent.
  const depth = useRef(0)
  const hasFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files')
  return {
    isOver,
    target: {
      onDragEnter: (event: DragEvent) => {
        if (!hasFiles(event)) return
        depth.current += 1
        setOver(true)
      },
      onDragOver: (event: DragEvent) => {
        if (hasFiles(event)) event.preventDefault()
      },
      onDragLeave: (event: DragEvent) => {
        if (!hasFiles(event)) return
        depth.current = Math.max(0, depth.current - 1)
        if (depth.current === 0) setOver(false)
      },
      onDrop: (event: DragEvent) => {
        if (!hasFiles(event)) return
        event.preventDefault()
        depth.current = 0
        setOver(false)
        void droppedFiles(event.dataTransfer).then(onDrop)
      },
    },
  }
}
