import { useVirtualizer } from '@tanstack/react-virtual'
import { ArrowDown } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import type { SessionState } from '@/api/socket/session-client'
import { runningTurn } from '@/api/socket/view'
import { Button } from '@/ui/button'
import { Skeleton } from '@/ui/skeleton'
import { AnswerRow } from './answer-row'
import { useFeedbackOfOthers } from './feedback'
import { HandoffRow } from './handoff-row'
import { OutgoingRow, QuestionRow } from './question-row'
import { conversationRows, type Row } from './rows'

/** How near to the first row older ones are read. */
const LOADS_OLDER_PX = 800
const AT_END_PX = 64

/** The messages of a session. Only what is in view is in the page, however long the session is. */
export function Conversation({ state, onLoadOlder }: { state: SessionState; onLoadOlder: () => void }) {
  const t = useTranslations('chat')
  const { view, outbox, history, cancelling } = state
  const rows = useMemo(() => conversationRows(view.turns, outbox, view.handoffs), [view.turns, outbox, view.handoffs])
  const running = runningTurn(view)?.id
  useFeedbackOfOthers(
    view.sessionId,
    rows.some((row) => row.kind === 'answer'),
  )
  const scroller = useRef<HTMLDivElement>(null)
  const [isAtEnd, setAtEnd] = useState(true)
  const hasOlder = view.firstSeq > 1 && view.epoch !== undefined

  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => rows[index]?.key ?? index,
    estimateSize: (index) => (rows[index]?.kind === 'answer' ? 180 : 72),
    overscan: 4,
    gap: 20,
    paddingStart: 24,
    paddingEnd: 24,
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: AT_END_PX,
  })
  const items = virtualizer.getVirtualItems()

  const hasBegun = rows.length > 0
  useEffect(() => {
    if (hasBegun) virtualizer.scrollToEnd()
    // Once, when the first rows are there: from then on the list holds on to its end by itself.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [hasBegun])

  // What somebody sends brings them to the end, wherever they had scrolled to.
  const waiting = outbox.length
  const before = useRef(waiting)
  useEffect(() => {
    if (waiting > before.current) virtualizer.scrollToEnd()
    before.current = waiting
  }, [waiting, virtualizer])

  const onScroll = () => {
    const element = scroller.current
    if (!element) return
    setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX)
    if (element.scrollTop < LOADS_OLDER_PX && hasOlder && history.kind === 'idle') onLoadOlder()
  }
  // A page of events may hold few messages, too few to scroll.
  const total = virtualizer.getTotalSize()
  useEffect(() => {
    const element = scroller.current
    if (element && hasOlder && history.kind === 'idle' && total < element.clientHeight + LOADS_OLDER_PX) onLoadOlder()
  }, [hasOlder, history.kind, total, onLoadOlder])

  return (
    <div className="relative min-h-0 grow">
      <div
        ref={scroller}
        onScroll={onScroll}
        role="feed"
        aria-busy={history.kind === 'loading'}
        aria-label={t('conversation')}
        // Announced as a whole at its end, not by each word; see StreamAnnouncer.
        aria-live="off"
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        className="h-full overflow-auto overscroll-y-contain -outline-offset-2 [contain:strict] [overflow-anchor:none]"
      >
        {history.kind === 'loading' && rows.length === 0 && <Loading />}
        <div className="relative mx-auto w-full max-w-reading" style={{ height: total }}>
          {items.map((item) => {
            const row = rows[item.index]
            return (
              row && (
                <div
                  key={item.key}
                  ref={virtualizer.measureElement}
                  data-index={item.index}
                  className="absolute inset-x-0 top-0 px-4 [contain:layout_style]"
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  <RowOf row={row} at={item.index + 1} of={rows.length} running={running} cancelling={cancelling} />
                </div>
              )
            )
          })}
        </div>
      </div>
      {history.kind === 'loading' && rows.length > 0 && (
        <p role="status" className="pointer-events-none absolute inset-x-0 top-2 text-center text-sm text-muted">
          {t('loadingOlder')}
        </p>
      )}
      {history.kind === 'failed' && (
        <p role="alert" className="absolute inset-x-0 top-2 flex justify-center gap-2 text-sm">
          <span className="rounded-control bg-danger-soft px-3 py-1 text-danger">
            {t('olderFailed', { reason: history.message })}{' '}
            <button type="button" className="min-h-6 underline" onClick={onLoadOlder}>
              {t('retry')}
            </button>
          </span>
        </p>
      )}
      {!isAtEnd && rows.length > 0 && (
        <Button
          size="small"
          icon={<ArrowDown aria-hidden size={14} />}
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full! shadow-overlay"
          onClick={() => virtualizer.scrollToEnd()}
        >
          {t('toEnd')}
        </Button>
      )}
    </div>
  )
}

function RowOf({ row, at, of, running, cancelling }: {
  row: Row
  at: number
  of: number
  running: string | undefined
  cancelling: string | undefined
}) {
  const place = useMemo(() => ({ at, of }), [at, of])
  switch (row.kind) {
    case 'question':
      return <QuestionRow turn={row.turn} place={place} />
    case 'answer':
      return (
        <AnswerRow
          turn={row.turn}
          place={place}
          isFirstUnderWay={row.turn.id === running}
          isCancelling={row.turn.id === cancelling}
        />
      )
    case 'handoff':
      return <HandoffRow handoff={row.handoff} place={place} />
    case 'outgoing':
      return <OutgoingRow outgoing={row.outgoing} place={place} />
  }
}

function Loading() {
  return (
    <div aria-busy className="mx-auto flex w-full max-w-reading flex-col gap-5 px-4 py-6">
      <Skeleton className="ml-auto h-9 w-1/2" />
      <Skeleton className="h-24 w-4/5" />
      <Skeleton className="ml-auto h-9 w-2/5" />
      <Skeleton className="h-32 w-4/5" />
    </div>
  )
}
