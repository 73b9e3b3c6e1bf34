import { Link } from '@tanstack/react-router'
import { useTranslations } from 'use-intl'
import { classNames } from '@/lib/class-names'
import { OVERVIEW_WINDOWS, type OverviewWindow } from '@/lib/overview-window'

/** How far back to look: in the address, so that a link shows the same. */
export function WindowChoice({ window }: { window: OverviewWindow }) {
  const t = useTranslations('overview')
  return (
    <nav aria-label={t('window')} className="inline-flex rounded-control border border-line bg-raised p-0.5">
      {OVERVIEW_WINDOWS.map((one) => (
        <Link
          key={one}
          to="/overview"
          search={{ window: one }}
          replace
          resetScroll={false}
          aria-current={one === window ? 'page' : undefined}
          title={t(`windows.${one}`)}
          className={classNames(
            'inline-flex h-[calc(var(--control-height)-6px)] min-w-10 items-center justify-center rounded-[0.375rem] px-2 text-sm font-medium tabular-nums',
            one === window ? 'bg-accent-soft text-accent-text' : 'text-muted hover:bg-hover hover:text-text',
          )}
        >
          {t(`windowsShort.${one}`)}
        </Link>
      ))}
    </nav>
  )
}
