import { Link } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { useTranslations } from 'use-intl'
import type { DocumentPart, WholeDocument } from '@/api/schemas/knowledge'
import { classNames } from '@/lib/class-names'
import { passageKey } from '@/lib/passage'

/** The passages that search finds, in order; each is a link to its place. */
export function PassageList({ document, chosen }: { document: WholeDocument; chosen: DocumentPart | undefined }) {
  const t = useTranslations('knowledge.document')
  const list = useRef<HTMLElement>(null)
  const chosenId = chosen?.id
  useEffect(() => {
    const link = list.current?.querySelector<HTMLElement>('[data-chosen]')
    // By hand, since scrolling it into view would move the page too.
    if (list.current && link) list.current.scrollTop = link.offsetTop - list.current.clientHeight / 2
  }, [chosenId])
  return (
    <nav
      ref={list}
      aria-label={t('passages', { count: document.chunks.length })}
      className="relative max-h-56 overflow-auto rounded-card border border-line bg-surface shadow-card lg:sticky lg:top-0 lg:max-h-[calc(100dvh-8rem)]"
    >
      <h2 className="sticky top-0 z-10 rounded-t-card border-b border-line bg-surface px-4 py-2.5 text-sm font-semibold">
        {t('passages', { count: document.chunks.length })}
      </h2>
      <ol className="p-1.5">
        {document.chunks.map((part) => {
          const isChosen = part.id === chosen?.id
          return (
            <li key={part.id}>
              <Link
                to="/knowledge/documents/$documentId"
                params={{ documentId: document.id }}
                search={{ passage: passageKey(part.content) }}
                replace
                data-chosen={isChosen ? '' : undefined}
                className={classNames(
                  'flex gap-2 rounded-control px-2 py-1.5 text-sm -outline-offset-2',
                  isChosen ? 'bg-accent-soft text-accent-text' : 'text-muted hover:bg-hover hover:text-text',
                )}
              >
                <span className="w-5 shrink-0 text-right tabular-nums">{part.id + 1}</span>
                <span className="min-w-0">
                  <span className="line-clamp-2 font-medium">
                    {part.headings.length > 0 ? part.headings.join(' › ') : t('beginning')}
                  </span>
                </span>
              </Link>
            </li>
          )
        })}
      </ol>
    </nav>
  )
}
