import { useTranslations } from 'use-intl'
import { SECTIONS } from '@/app/shell/sections'
import { Dialog } from '@/ui/dialog'

/** Every key that does something. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  const t = useTranslations('help')
  const tShell = useTranslations('shell')
  const groups = [
    {
      title: t('writing'),
      keys: [
        [['Enter'], t('send')],
        [['Shift', 'Enter'], t('newLine')],
        [['↑'], t('editLast')],
        [['Esc'], t('stop')],
        [['/'], t('focusComposer')],
      ],
    },
    {
      title: t('chat'),
      keys: [
        [['n'], t('newChat')],
        [['['], t('toggleAgents')],
        [[']'], t('toggleLog')],
        [['?'], t('help')],
      ],
    },
    { title: t('going'), keys: SECTIONS.map(({ section, key }) => [['g', key], tShell(`sections.${section}`)] as const) },
    {
      title: t('lists'),
      keys: [
        [['Tab'], t('next')],
        [['←', '→'], t('resize')],
        [['Page ↑', 'Page ↓'], t('scroll')],
      ],
    },
  ] as const
  return (
    <Dialog isOpen onClose={onClose} size="wide" title={t('title')} description={t('hint')}>
      <div className="grid gap-x-8 gap-y-5 pt-1 sm:grid-cols-2">
        {groups.map(({ title, keys }) => (
          <section key={title}>
            <h3 className="mb-1.5 text-sm font-semibold">{title}</h3>
            <dl className="flex flex-col gap-1.5">
              {keys.map(([combination, does]) => (
                <div key={does} className="flex items-center justify-between gap-3">
                  <dd className="text-base text-muted">{does}</dd>
                  <dt className="flex shrink-0 gap-1">
                    {combination.map((key) => (
                      <kbd key={key} className="rounded-control border border-line-strong bg-sunken px-1.5 py-0.5 font-mono text-xs">
                        {key}
                      </kbd>
                    ))}
                  </dt>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
