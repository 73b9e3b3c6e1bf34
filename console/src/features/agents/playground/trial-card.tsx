import { useMemo } from 'react'
import { useTranslations } from 'use-intl'
import type { Trial } from '@/api/schemas/agents'
import { classNames } from '@/lib/class-names'
import { Badge } from '@/ui/badge'
import { Card } from '@/ui/card'
import { useFigures } from '@/ui/figures'
import { Markdown } from '@/ui/markdown/markdown'
import { Meter } from '@/ui/meter'
import { Notice } from '@/ui/notice'
import { TrialSteps } from './trial-steps'
import type { Piece } from './words-diff'

/** One answer: its text, what it took, what it is from, and the steps that led to it. */
export function TrialCard({
  title,
  trial,
  other,
  pieces,
  mark = 'ins',
  isDraft = false,
}: {
  title: string
  trial: Trial
  /** The one beside it, to compare with. */
  other?: Trial
  pieces?: Piece[] | undefined
  mark?: 'ins' | 'del'
  isDraft?: boolean
}) {
  const t = useTranslations('agents.playground')
  const figures = useFigures()
  const sources = useMemo(() => new Map(trial.citations.map(({ index, source }) => [index, source])), [trial.citations])
  const difference = (of: (trial: Trial) => number | undefined) => {
    const [mine, others] = [of(trial), other && of(other)]
    return isDraft && mine !== undefined && others !== undefined ? mine - others : undefined
  }
  const signed = (value: number | undefined, show: (value: number) => string) =>
    value === undefined || value === 0 ? undefined : `${value > 0 ? '+' : '−'}${show(Math.abs(value))}`
  return (
    <Card aria-label={title} className={classNames('min-w-0', isDraft && 'border-accent!')}>
      <header className="flex items-center gap-2 border-b border-line px-4 py-2.5">
        <h2 className="grow font-semibold">{title}</h2>
        {isDraft && <Badge tone="accent">{t('notServed')}</Badge>}
      </header>
      <div className="flex flex-col gap-4 p-4">
        {trial.error && <Notice tone="danger">{trial.error.message}</Notice>}
        {pieces ? (
          <p className="text-md break-words whitespace-pre-wrap">
            {pieces.map(({ text, isOther }, at) =>
              isOther ? (
                mark === 'ins' ? (
                  <ins key={at} className="rounded-xs bg-success-soft text-success underline decoration-1 underline-offset-2">
                    {text}
                  </ins>
                ) : (
                  <del key={at} className="rounded-xs bg-danger-soft text-danger decoration-1">
                    {text}
                  </del>
                )
              ) : (
                text
              ),
            )}
          </p>
        ) : (
          <Markdown text={trial.answer} citations={{ known: sources, onOpen: undefined }} />
        )}
        <dl className="grid grid-cols-2 gap-x-4 gap-y-3 border-t border-line pt-3">
          <Figure
            name={t('confidence')}
            value={trial.confidence === undefined ? '–' : figures.percent(trial.confidence)}
            change={signed(
              difference((one) => one.confidence),
              (value) => figures.percent(value),
            )}
          >
            {trial.confidence !== undefined && <Meter value={trial.confidence} label={t('confidence')} tone="agent" className="mt-1" />}
          </Figure>
          <Figure
            name={t('latency')}
            value={figures.duration(trial.latencyMs)}
            change={signed(
              difference((one) => one.latencyMs),
              (value) => figures.duration(value),
            )}
          />
          <Figure
            name={t('tokens')}
            value={figures.count(trial.tokensUsed)}
            change={signed(
              difference((one) => one.tokensUsed),
              (value) => figures.count(value),
            )}
          />
          <Figure
            name={t('cost')}
            value={figures.cost(trial.cost)}
            change={signed(
              difference((one) => one.cost),
              (value) => figures.cost(value),
            )}
          />
        </dl>
        <Sources trial={trial} other={other} />
        <TrialSteps logs={trial.logs} {...(other ? { other: other.logs } : {})} />
      </div>
    </Card>
  )
}

function Figure({ name, value, change, children }: {
  name: string
  value: string
  change: string | undefined
  children?: React.ReactNode
}) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-sm text-muted">{name}</dt>
      <dd>
        <span className="flex items-baseline gap-2">
          <span className="text-lg font-semibold tabular-nums">{value}</span>
          {change !== undefined && <span className="text-sm font-medium text-accent-text tabular-nums">{change}</span>}
        </span>
        {children}
      </dd>
    </div>
  )
}

function Sources({ trial, other }: { trial: Trial; other: Trial | undefined }) {
  const t = useTranslations('agents.playground')
  const others = new Set(other?.citations.map(({ source }) => source))
  return (
    <section>
      <h3 className="mb-1 text-sm font-semibold">{t('citations', { count: trial.citations.length })}</h3>
      {trial.citations.length > 0 && (
        <ol className="flex flex-col gap-1">
          {trial.citations.map(({ index, source }) => (
            <li key={index} className="flex min-w-0 items-center gap-2">
              <span className="text-sm text-muted tabular-nums">[{index}]</span>
              <span className="min-w-0 truncate font-mono text-sm">{source}</span>
              {other && !others.has(source) && <Badge tone="accent">{t('onlyHere')}</Badge>}
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}
