import { useTranslations } from 'use-intl'

/** Where nothing was asked yet: three questions that show what there is. */
export function EmptyChat({ examples, onAsk }: { examples: readonly string[]; onAsk: (question: string) => void }) {
  const t = useTranslations('chat')
  return (
    <div className="min-h-0 grow overflow-auto">
      <div className="mx-auto flex min-h-full w-full max-w-reading flex-col justify-center gap-5 px-4 py-4 sm:py-8">
        <div>
          <h2 className="text-2xl font-semibold text-balance">{t('emptyTitle')}</h2>
          <p className="mt-1.5 max-w-prose text-md text-muted">{t('emptyHint')}</p>
        </div>
        <ul aria-label={t('examples')} className="flex flex-col gap-2">
          {examples.map((question) => (
            <li key={question}>
              <button
                type="button"
                onClick={() => onAsk(question)}
                className="w-full rounded-card border border-line bg-surface px-4 py-3 text-left text-md shadow-card transition-colors hover:border-line-strong hover:bg-hover"
              >
                {question}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  )
}
