import { useEffect, useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import { isUnderWay, type Turn } from '@/api/socket/view'
import { useAgentName } from './agent-names'
import { firstSentence } from './first-sentence'

/** What was told of which turn, on whichever page: whoever comes back to a conversation is not told of it again. */
const told = new Set<string>()

/** Tells screen readers, politely, that an answer begins, and how it begins once it is whole: never each word of it. */
export function StreamAnnouncer({ turn }: { turn: Turn | undefined }) {
  const t = useTranslations('chat')
  const agent = useAgentName(turn?.answer?.message?.agent ?? turn?.agent)?.name
  const [text, setText] = useState('')
  const stage = !turn ? undefined : turn.outcome ? turn.outcome.kind : turn.answer ? 'answering' : undefined
  const key = turn && stage ? `${turn.id} ${stage}` : undefined
  // What is there when the page opens is read by whoever goes there; only what happens from now on is told.
  const seenRunning = useRef<string | undefined>(undefined)
  useEffect(() => {
    if (turn && isUnderWay(turn)) seenRunning.current = turn.id
    if (!turn || key === undefined || told.has(key)) return
    // One that is answered at once is never seen under way here, but its words were seen to come.
    if (seenRunning.current !== turn.id && turn.firstDeltaAt === undefined) return
    told.add(key)
    const name = agent ?? t('answer')
    switch (stage) {
      case 'answering':
        setText(t('announce.answering', { agent: name }))
        break
      case 'completed':
        setText(t('announce.completed', { agent: name, sentence: firstSentence(turn.answer?.content ?? '') }))
        break
      case 'failed':
        setText(t('failed', { reason: turn.outcome?.kind === 'failed' ? turn.outcome.error.message : '' }))
        break
      case 'cancelled':
        setText(t('cancelled'))
        break
      case undefined:
    }
  }, [key, stage, turn, agent, t])
  return (
    <p role="status" aria-live="polite" className="sr-only">
      {text}
    </p>
  )
}
