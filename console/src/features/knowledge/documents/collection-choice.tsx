import { useTranslations } from 'use-intl'
import type { Collection } from '@/api/schemas/knowledge'
import { classNames } from '@/lib/class-names'

/** The collections, with what is in each and who reads it; choosing one shows its documents alone. */
export function CollectionChoice({
  collections,
  chosen,
  onChoose,
}: {
  collections: Collection[]
  chosen: string | undefined
  onChoose: (name: string | undefined) => void
}) {
  const t = useTranslations('knowledge')
  const sum = (of: (collection: Collection) => number) => collections.reduce((all, one) => all + of(one), 0)
  return (
    <ul aria-label={t('collections')} className="grid grid-cols-2 gap-2 sm:grid-cols-[repeat(auto-fill,minmax(13rem,1fr))] sm:gap-3">
      <Choice
        name={t('allCollections')}
        counts={t('counts', { documents: sum((one) => one.documents), chunks: sum((one) => one.chunks) })}
        isChosen={chosen === undefined}
        onChoose={() => onChoose(undefined)}
      />
      {collections.map((one) => (
        <Choice
          key={one.name}
          name={one.name}
          counts={t('counts', { documents: one.documents, chunks: one.chunks })}
          readers={one.agents.length > 0 ? t('readBy', { agents: one.agents.join(', ') }) : t('readByNobody')}
          isChosen={chosen === one.name}
          onChoose={() => onChoose(chosen === one.name ? undefined : one.name)}
        />
      ))}
    </ul>
  )
}

function Choice({ name, counts, readers, isChosen, onChoose }: {
  name: string
  counts: string
  readers?: string
  isChosen: boolean
  onChoose: () => void
}) {
  return (
    <li className="flex min-w-0">
      <button
        type="button"
        aria-pressed={isChosen}
        onClick={onChoose}
        className={classNames(
          'flex w-full min-w-0 flex-col items-start rounded-card border px-3.5 py-2.5 text-left transition-colors',
          isChosen ? 'border-accent bg-accent-soft' : 'border-line bg-surface shadow-card hover:border-line-strong',
        )}
      >
        <span className="max-w-full truncate font-semibold">{name}</span>
        <span className="text-sm text-muted tabular-nums">{counts}</span>
        {readers !== undefined && <span className="mt-0.5 max-w-full truncate text-sm text-muted">{readers}</span>}
      </button>
    </li>
  )
}
