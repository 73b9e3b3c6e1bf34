import { lazy, Suspense, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import type { ChatSession } from '@/api/generated/wire'
import { useFigures } from '@/ui/figures'

const SessionMenu = lazy(() => import('./session-menu').then((module) => ({ default: module.SessionMenu })))

/** A session's name and totals, and what can be done with it as a whole. */
export function SessionHeader({ sessionId, title, session, onShowMemory, onDeleted, children }: {
  /** Missing while the session has not begun. */
  sessionId: string | undefined
  title: string | undefined
  session: ChatSession | undefined
  /** Missing where nobody knows whose session it is. */
  onShowMemory: (() => void) | undefined
  onDeleted: () => void
  /** Buttons of the page. */
  children: ReactNode
}) {
  const t = useTranslations('sessions')
  const figures = useFigures()
  return (
    <header className="flex min-h-12 shrink-0 items-center gap-1 border-b border-line bg-surface px-2">
      <div className="min-w-0 grow px-1.5">
        <h1 className="truncate text-base font-semibold">
          <bdi>{title ?? t('newChat')}</bdi>
        </h1>
        {session && (
          <p className="truncate text-xs text-muted tabular-nums">
            {t('totals', {
              messages: session.messageCount,
              tokens: figures.compact(session.totalTokens),
              cost: figures.cost(session.totalCost),
            })}
          </p>
        )}
      </div>
      {children}
      {sessionId !== undefined && session && (
        <Suspense fallback={<span className="size-control" />}>
          <SessionMenu sessionId={sessionId} title={title} onShowMemory={onShowMemory} onDeleted={onDeleted} />
        </Suspense>
      )}
    </header>
  )
}
