import { useState } from 'react'
import { useFormatter, useTranslations } from 'use-intl'
import { classNames } from '@/lib/class-names'
import { asked, best, score, type Ranked, type Ranker } from './ranking'

/** So many of each ranker; the rest is a button away. */
const SHOWN = 10

/** The best of each ranker beside each other; what is chosen in one is marked in all. On a phone one ranker at a time. */
export function RankColumns({ all, chosen, onChoose }: {
  all: Ranked[]
  chosen: string | undefined
  onChoose: (key: string) => void
}) {
  const t = useTranslations('knowledge.playground')
  const rankers = asked(all)
  const [inView, setInView] = useState<Ranker>('fused')
  const [isWhole, setWhole] = useState(false)
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <div role="group" aria-label={t('ranker')} className="flex gap-1 rounded-control bg-sunken p-1 md:hidden">
        {rankers.map((ranker) => (
          <button
            key={ranker}
            type="button"
            aria-pressed={inView === ranker}
            onClick={() => setInView(ranker)}
            className={classNames(
              'min-h-8 grow rounded-[0.375rem] px-1 text-sm font-medium',
              inView === ranker ? 'bg-raised text-text shadow-card' : 'text-muted',
            )}
          >
            {t(`rankers.${ranker}`)}
          </button>
        ))}
      </div>
      <div className="grid items-start gap-3 md:auto-cols-fr md:grid-flow-col">
        {rankers.map((ranker) => (
          <section
            key={ranker}
            aria-label={t(`rankers.${ranker}`)}
            className={classNames(
              'min-w-0 rounded-card border bg-surface shadow-card md:block',
              ranker === 'fused' ? 'border-accent' : 'border-line',
              inView === ranker ? 'block' : 'hidden',
            )}
          >
            <header className="border-b border-line px-3 py-2">
              <h2 className="text-base font-semibold">{t(`rankers.${ranker}`)}</h2>
              <p className="text-xs text-muted">{t(`explained.${ranker}`)}</p>
            </header>
            <ol className="p-1.5">
              {best(all, ranker, isWhole ? all.length : SHOWN).map((one) => (
                <Place key={one.key} one={one} ranker={ranker} isChosen={one.key === chosen} onChoose={() => onChoose(one.key)} />
              ))}
            </ol>
          </section>
        ))}
      </div>
      {all.length > SHOWN && (
        <button
          type="button"
          className="min-h-6 self-start text-sm font-medium text-accent-text underline underline-offset-2"
          onClick={() => setWhole((now) => !now)}
        >
          {isWhole ? t('showLess', { count: SHOWN }) : t('showAll', { count: all.length })}
        </button>
      )}
    </div>
  )
}

function Place({ one, ranker, isChosen, onChoose }: { one: Ranked; ranker: Ranker; isChosen: boolean; onChoose: () => void }) {
  const t = useTranslations('knowledge.playground')
  const format = useFormatter()
  const { title, headings, scores } = one.chunk.metadata
  const value = score(scores, ranker)
  const rank = one.ranks[ranker] ?? 0
  const moved = (one.ranks.fused ?? rank) - rank
  return (
    <li>
      <button
        type="button"
        aria-pressed={isChosen}
        onClick={onChoose}
        className={classNames(
          'flex w-full items-start gap-2 rounded-control px-1.5 py-1.5 text-left -outline-offset-2',
          isChosen ? 'bg-accent-soft' : 'hover:bg-hover',
        )}
      >
        <span className="w-5 shrink-0 pt-px text-right text-sm font-semibold text-muted tabular-nums">{rank}</span>
        <span className="min-w-0 grow">
          <span className="block truncate text-sm font-medium">{title}</span>
          <span className="block truncate text-xs text-muted">{headings.at(-1) ?? one.chunk.source}</span>
        </span>
        <span className="shrink-0 text-right text-xs tabular-nums">
          <span className="block font-medium">
            {value !== undefined && format.number(value, { minimumFractionDigits: 2, maximumFractionDigits: 2 })}
          </span>
          {ranker !== 'fused' && (
            <span
              className={moved < 0 ? 'text-success' : moved > 0 ? 'text-warning' : 'text-muted'}
              title={t('fusedRank', { rank: one.ranks.fused ?? 0 })}
            >
              <span aria-hidden>{moved === 0 ? '=' : `→ ${one.ranks.fused ?? ''}`}</span>
              <span className="sr-only">{t('fusedRank', { rank: one.ranks.fused ?? 0 })}</span>
            </span>
          )}
        </span>
      </button>
    </li>
  )
}
