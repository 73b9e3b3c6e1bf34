import { Ban, CircleAlert, Network, RefreshCw, RotateCcw, Scissors, Square, UserRound, Zap } from 'lucide-react'
import { memo, useMemo } from 'react'
import { useTranslations } from 'use-intl'
import { isUnderWay, type Turn } from '@/api/socket/view'
import { Badge, Dot } from '@/ui/badge'
import { Button, IconButton } from '@/ui/button'
import { useFigures } from '@/ui/figures'
import type { Citations } from '@/ui/markdown/citations'
import { CopyButton } from '@/ui/markdown/code-block'
import { Markdown } from '@/ui/markdown/markdown'
import { useChatActions } from './actions'
import { useAgentName } from './agent-names'
import { ApprovalCards } from './approval-cards'
import { FeedbackButtons } from './feedback-buttons'
import type { Place } from './rows'

/** What came of a question: who answers and how sure, the answer as far as it is, how it ended, and what can be done with it. */
export const AnswerRow = memo(function AnswerRow({ turn, place, isFirstUnderWay, isCancelling }: {
  turn: Turn
  place: Place
  /** It runs; one behind it waits for it. */
  isFirstUnderWay: boolean
  isCancelling: boolean
}) {
  const t = useTranslations('chat')
  const actions = useChatActions()
  const { isReadOnly = false } = actions
  const agent = useAgentName(turn.answer?.message?.agent ?? turn.agent)
  const { outcome, answer } = turn
  const isRunning = isUnderWay(turn)
  const citations = useMemo(
    (): Citations => ({
      known: outcome?.kind === 'completed' ? new Map(outcome.citations.map(({ index, source }) => [index, source])) : undefined,
      onOpen: outcome?.kind === 'completed' ? (index) => actions.openCitation(turn, index) : undefined,
    }),
    [outcome, actions, turn],
  )
  return (
    <article
      aria-label={agent ? t('answerOf', { agent: agent.name }) : t('answer')}
      aria-busy={isRunning}
      aria-posinset={place.at}
      aria-setsize={place.of}
      data-color={agent?.color}
      className="flex gap-3"
    >
      <span
        aria-hidden
        className="mt-0.5 hidden size-7 shrink-0 place-items-center rounded-control bg-agent-soft text-sm font-semibold text-agent sm:grid"
      >
        {turn.agent === 'person' ? <UserRound size={15} /> : (agent?.name.slice(0, 1) ?? '…')}
      </span>
      <div className="flex min-w-0 grow flex-col gap-1.5">
        <AnswerHead turn={turn} isFirstUnderWay={isFirstUnderWay} />
        <Handoffs turn={turn} />
        {answer && answer.content !== '' && (
          <Markdown text={answer.content} isStreaming={isRunning} citations={citations} />
        )}
        <ApprovalCards turn={turn} />
        {outcome?.kind === 'completed' && outcome.calls && (
          <ul className="flex flex-col gap-0.5 text-sm text-muted">
            {outcome.calls.map((call) => (
              <li key={call.callId} className="min-w-0 break-words">
                {t('clientCall', { tool: call.tool })} <code>{JSON.stringify(call.arguments)}</code>
              </li>
            ))}
          </ul>
        )}
        {outcome?.kind === 'completed' && outcome.incomplete && (
          <p className="flex flex-wrap items-center gap-1.5 text-sm text-muted">
            <Scissors aria-hidden size={14} />
            {t(`incomplete.${outcome.incomplete}`)}
          </p>
        )}
        {outcome?.kind === 'failed' && (
          <div className="flex flex-wrap items-center gap-2 text-base text-danger">
            <CircleAlert aria-hidden size={15} className="shrink-0" />
            <span className="min-w-0">{t('failed', { reason: outcome.error.message })}</span>
            {!isReadOnly && (
              <Button
                size="small"
                icon={<RotateCcw aria-hidden size={14} />}
                onClick={() => actions.resend(turn.question?.content ?? '')}
                disabled={!turn.question}
              >
                {t('retry')}
              </Button>
            )}
          </div>
        )}
        {outcome?.kind === 'cancelled' && (
          <p className="flex flex-wrap items-center gap-1.5 text-sm text-muted">
            <Ban aria-hidden size={14} />
            {outcome.kept > 0 ? t('cancelledKept') : t('cancelled')}
            {outcome.tokensBilled > 0 && ` · ${t('tokensBilled', { count: outcome.tokensBilled })}`}
          </p>
        )}
        {!isRunning ? (
          <AnswerFoot turn={turn} />
        ) : isReadOnly ? null : (
          <div>
            <Button
              size="small"
              icon={<Square aria-hidden size={12} />}
              isBusy={isCancelling}
              onClick={() => actions.cancel(turn)}
            >
              {isCancelling ? t('stopping') : t('stop')}
            </Button>
          </div>
        )}
      </div>
    </article>
  )
})

function AnswerHead({ turn, isFirstUnderWay }: { turn: Turn; isFirstUnderWay: boolean }) {
  const t = useTranslations('chat')
  const figures = useFigures()
  const message = turn.answer?.message
  const agent = useAgentName(message?.agent ?? turn.agent)
  const isRunning = isUnderWay(turn)
  const doing = !isFirstUnderWay
    ? t('doing.waiting')
    : turn.agent === 'person'
      ? t('doing.person')
      : turn.answer && turn.answer.content !== ''
        ? t('doing.answering')
        : t(`doing.${turn.phase}`)
  return (
    <div className="flex min-h-7 flex-wrap items-center gap-x-2 gap-y-1 text-sm">
      {agent && <span className="font-semibold text-agent">{agent.name}</span>}
      {message?.confidence !== undefined && (
        <Badge tone={message.confidence >= 0.7 ? 'success' : message.confidence >= 0.5 ? 'neutral' : 'warning'}>
          {t('confidence', { share: figures.percent(message.confidence) })}
        </Badge>
      )}
      {turn.outcome?.kind === 'completed' && turn.outcome.metrics.cache_status === 'hit' && (
        <Badge tone="success" icon={<Zap aria-hidden size={11} />}>
          {t('fromCache')}
        </Badge>
      )}
      {isRunning && (
        <span className="flex items-center gap-1.5 text-muted">
          <Dot tone="agent" isPulsing />
          {doing}
        </span>
      )}
    </div>
  )
}

function Handoffs({ turn }: { turn: Turn }) {
  const handoffs = turn.notes.filter((note) => note.type === 'handoff')
  if (handoffs.length === 0) return null
  return (
    <ul className="flex flex-col gap-0.5 text-sm text-muted">
      {handoffs.map((note) => (
        <HandoffLine key={note.seq} from={note.data.from} to={note.data.to} reason={note.data.reason} />
      ))}
    </ul>
  )
}

function HandoffLine({ from, to, reason }: { from: string; to: string; reason: string }) {
  const t = useTranslations('chat')
  const giver = useAgentName(from)
  const taker = useAgentName(to)
  return <li>{t('handoff', { from: giver?.name ?? from, to: taker?.name ?? to, reason })}</li>
}

function AnswerFoot({ turn }: { turn: Turn }) {
  const t = useTranslations('chat')
  const figures = useFigures()
  const { resend, showTurn, isReadOnly = false } = useChatActions()
  const { outcome, answer, question } = turn
  return (
    <div className="flex flex-wrap items-center gap-x-0.5 gap-y-1 text-xs text-faint tabular-nums">
      {outcome?.kind === 'completed' && (
        <span
          className="mr-1.5"
          title={
            outcome.metrics.promptTokens === undefined
              ? undefined
              : t('tokensToldApart', {
                  sent: figures.count(outcome.metrics.promptTokens),
                  written: figures.count(outcome.metrics.completionTokens ?? 0),
                })
          }
        >
          {figures.duration(outcome.metrics.latency)}
          {outcome.metrics.tokensUsed > 0 && ` · ${t('tokenCount', { count: figures.compact(outcome.metrics.tokensUsed) })}`}
          {outcome.metrics.cost > 0 && ` · ${figures.cost(outcome.metrics.cost)}`}
          {outcome.metrics.unpricedTokens !== undefined &&
            ` · ${t(outcome.metrics.unpricedTokens < outcome.metrics.tokensUsed ? 'pricePartlyUnknown' : 'priceUnknown')}`}
        </span>
      )}
      {answer && <CopyButton text={answer.content} label={t('copyAnswer')} />}
      {!isReadOnly && answer?.message && outcome?.kind === 'completed' && (
        <FeedbackButtons sessionId={answer.message.sessionId} messageId={answer.message.id} />
      )}
      {!isReadOnly && question && outcome?.kind === 'completed' && (
        <IconButton
          size="small"
          label={outcome.metrics.cache_status === 'hit' ? t('askFresh') : t('askAgain')}
          onClick={() => resend(question.content, true)}
        >
          <RefreshCw aria-hidden size={14} />
        </IconButton>
      )}
      {!isReadOnly && question && outcome?.kind === 'cancelled' && (
        <IconButton size="small" label={t('askAgain')} onClick={() => resend(question.content)}>
          <RotateCcw aria-hidden size={14} />
        </IconButton>
      )}
      <IconButton size="small" label={t('showTurn')} onClick={() => showTurn(turn)}>
        <Network aria-hidden size={14} />
      </IconButton>
    </div>
  )
}
