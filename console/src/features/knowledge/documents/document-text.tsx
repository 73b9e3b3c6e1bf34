import { lazy, Suspense, useEffect, useMemo, useRef } from 'react'
import { useTranslations } from 'use-intl'
import type { DocumentPart, WholeDocument } from '@/api/schemas/knowledge'
import { classNames } from '@/lib/class-names'
import { extension } from './origin'
import { segments } from './segments'

const Markdown = lazy(() => import('./document-markdown'))

/** The text, with each passage as a piece of its own, and the chosen one marked and brought into view. */
export function DocumentText({
  document,
  chosen,
  isSource,
}: {
  document: WholeDocument
  chosen: DocumentPart | undefined
  isSource: boolean
}) {
  const t = useTranslations('knowledge.document')
  const pieces = useMemo(() => segments(document.content, document.chunks), [document])
  const isPlain = isSource || ['.txt', '.text'].includes(extension(document.path))
  const mark = useRef<HTMLDivElement>(null)
  const chosenId = chosen?.id

  useEffect(() => {
    if (chosenId === undefined || !mark.current) return
    mark.current.scrollIntoView({ block: 'center' })
    mark.current.focus({ preventScroll: true })
  }, [chosenId, isPlain])

  return (
    <Suspense fallback={<PlainText text={document.content} />}>
      <div className="flex flex-col gap-1 px-2 py-3 sm:px-4">
        {pieces.map(({ text, part }, at) => {
          const isChosen = part !== undefined && part.id === chosenId
          const body = isPlain ? <PlainText text={text} isMono={isSource} /> : <Markdown text={text} />
          if (!part) return <div key={at} className="px-3">{body}</div>
          return (
            <div
              key={at}
              ref={isChosen ? mark : undefined}
              tabIndex={isChosen ? -1 : undefined}
              role="group"
              aria-label={t('passage', { number: part.id + 1 })}
              aria-current={isChosen ? 'location' : undefined}
              className={classNames(
                'relative scroll-my-16 rounded-control border-l-2 px-3 py-1 outline-none',
                isChosen ? 'border-accent bg-accent-soft' : 'border-line',
              )}
            >
              {body}
            </div>
          )
        })}
      </div>
    </Suspense>
  )
}

function PlainText({ text, isMono = false }: { text: string; isMono?: boolean }) {
  const shown = text.replace(/^\n+|\s+$/g, '')
  if (shown === '') return null
  return (
    <div className={classNames('max-w-reading break-words whitespace-pre-wrap', isMono ? 'font-mono text-sm' : 'text-md')}>{shown}</div>
  )
}
