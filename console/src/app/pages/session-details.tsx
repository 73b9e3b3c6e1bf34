import { lazy, Suspense, useMemo, useState } from 'react'
import type { Agent } from '@/api/generated/wire'
import type { SessionView, Turn } from '@/api/socket/view'
import { citedPassage } from '@/app/pages/cited-passage'
import type { ChatActions } from '@/features/chat/actions'
import type { Passage } from '@/features/log/passage'
import { Skeleton } from '@/ui/skeleton'

const LogPanel = lazy(() => import('@/features/log/log-panel').then((module) => ({ default: module.LogPanel })))
const DocumentDialog = lazy(() => import('@/features/log/document-dialog').then((module) => ({ default: module.DocumentDialog })))
const MemoryDialog = lazy(() => import('@/features/memory/memory-dialog').then((module) => ({ default: module.MemoryDialog })))
const TurnDialog = lazy(() => import('@/features/log/turn-dialog').then((module) => ({ default: module.TurnDialog })))

/** What is looked at more closely beside a conversation: a cited passage in its document, a turn as it went, or what is
 * remembered of the person. */
export type Details = {
  passage: Passage | undefined
  openPassage: (passage: Passage | undefined) => void
  turnId: string | undefined
  openTurn: (turnId: string | undefined) => void
  isMemoryShown: boolean
  showMemory: (isShown: boolean) => void
  /** How a row of the conversation opens them; the same object for the whole life of a page. */
  actions: Pick<ChatActions, 'openCitation' | 'showTurn'>
}

export function useDetails(): Details {
  const [passage, openPassage] = useState<Passage>()
  const [turnId, openTurn] = useState<string>()
  const [isMemoryShown, showMemory] = useState(false)
  const actions = useMemo<Details['actions']>(
    () => ({
      openCitation: (turn, index) => openPassage(citedPassage(turn, index)),
      showTurn: (turn) => openTurn(turn.id),
    }),
    [],
  )
  return { passage, openPassage, turnId, openTurn, isMemoryShown, showMemory, actions }
}

/** The session's log, loaded when it is first shown. */
export function SessionLog({ view, agents, details, onLoadOlder }: {
  view: SessionView
  agents: readonly Agent[]
  details: Details
  onLoadOlder: () => void
}) {
  return (
    <Suspense fallback={<Skeleton className="m-3 h-40" />}>
      <LogPanel
        turns={view.turns}
        agents={agents}
        hasOlder={view.firstSeq > 1 && view.epoch !== undefined}
        onLoadOlder={onLoadOlder}
        onOpen={details.openPassage}
        onShowTurn={details.actions.showTurn}
      />
    </Suspense>
  )
}

/** The dialogs of what is looked at more closely. */
export function DetailDialogs({ details, turns, agents, userId }: {
  details: Details
  turns: readonly Turn[]
  agents: readonly Agent[]
  /** Whose session it is; missing where nobody knows. */
  userId: string | undefined
}) {
  const { passage, openPassage, turnId, openTurn, isMemoryShown, showMemory } = details
  const turn = turnId === undefined ? undefined : turns.find((one) => one.id === turnId)
  return (
    <Suspense>
      {passage && <DocumentDialog passage={passage} onClose={() => openPassage(undefined)} />}
      {isMemoryShown && userId !== undefined && <MemoryDialog userId={userId} onClose={() => showMemory(false)} />}
      {turn && <TurnDialog turn={turn} agents={agents} onClose={() => openTurn(undefined)} />}
    </Suspense>
  )
}
