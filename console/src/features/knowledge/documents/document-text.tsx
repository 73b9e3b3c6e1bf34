import { lazy, Suspense, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import type { DocumentPart, WholeDocument } from '@/api/schemas/knowledge'
import { classNames } from '@/lib/class-names'
import { extension } from './origin'
import { segments } from './segments'

const Markdown = lazy(() => import('./document-markdown'))

/** A document of more pieces is rendered where it is looked at; the rest is plain until then. */
const PIECES_AT_ONCE = 60

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
  const pieces = useMemo(() => segments(document.content, document.chunks), [document])
  const isPlain = isSource || ['.txt', '.text'].includes(extension(document.path))
  const isLong = pieces.length > PIECES_AT_ONCE
  return (
    <Suspense fallback={<PlainText text={document.content} />}>
      <div className="flex flex-col gap-1 px-2 py-3 sm:px-4">
        {pieces.map(({ text, part }, at) => {
          const body = isPlain ? (
            <PlainText text={text} isMono={isSource} />
          ) : isLong ? (
            <MarkdownInView text={text} />
          ) : (
            <Markdown text={text} />
          )
          return part ? (
            <Passage key={at} part={part} isChosen={part.id === chosen?.id}>
              {body}
            </Passage>
          ) : (
            <div key={at} className="px-3">
              {body}
            </div>
          )
        })}
      </div>
    </Suspense>
  )
}

function Passage({ part, isChosen, children }: { part: DocumentPart; isChosen: boolean; children: React.ReactNode }) {
  const t = useTranslations('knowledge.document')
  const ref = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!isChosen || !ref.current) return
    ref.current.scrollIntoView({ block: 'center' })
    ref.current.focus({ preventScroll: true })
  }, [isChosen])
  return (
    <div
      ref={ref}
      tabIndex={isChosen ? -1 : undefined}
      role="group"
      aria-label={t('passage', { number: part.id + 1 })}
      aria-current={isChosen ? 'location' : undefined}
      className={classNames(
        'scroll-my-16 border-l-2 px-3 py-1 outline-none',
        isChosen ? 'rounded-r-control border-accent bg-accent-soft' : 'border-line',
      )}
    >
      {children}
    </div>
  )
}

/** Plain until it comes near the part that is looked at. */
function MarkdownInView({ text }: { text: string }) {
  const ref = useRef<HTMLDivElement>(null)
  const [isNear, setNear] = useState(false)
  useEffect(() => {
    if (isNear || !ref.current) return
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true)
      },
      { rootMargin: '600px 0px' },
    )
    observer.observe(ref.current)
    return () => observer.disconnect()
  }, [isNear])
  const plain = <PlainText text={text} />
  return (
    // A boundary of its own: the rest of the document must not give way while the code loads.
    <div ref={ref}>{isNear ? <Suspense fallback={plain}><Markdown text={text} /></Suspense> : plain}</div>
  )
}

function PlainText({ text, isMono = false }: { text: string; isMono?: boolean }) {
  const shown = text.replace(/^\n+|\s+$/g, '')
  if (shown === '') return null
  return (
    <div className={classNames('max-w-reading break-words whitespace-pre-wrap', isMono ? 'font-mono text-sm' : 'text-md')}>{shown}</div>
  )
}
