import { Link, useMatches } from '@tanstack/react-router'
import { useTranslations } from 'use-intl'
import { SECTIONS } from '@/app/shell/sections'
import { classNames } from '@/lib/class-names'

/** A rail at the side; at the bottom, in reach of the thumb, on a phone. */
export function Navigation() {
  const t = useTranslations('shell')
  const current = useMatches({ select: (matches) => matches.findLast((match) => match.staticData.section)?.staticData.section })
  return (
    <nav
      aria-label={t('navigation')}
      className="shrink-0 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] sm:w-21 sm:border-t-0 sm:border-r"
    >
      <ul className="flex sm:flex-col sm:gap-1 sm:p-1.5">
        {SECTIONS.map(({ section, to, Icon }) => (
          <li key={section} className="min-w-0 grow basis-0 sm:basis-auto">
            <Link
              to={to}
              aria-current={current === section ? 'page' : undefined}
              className={classNames(
                'flex flex-col items-center gap-1 px-1 py-2 text-center text-xs leading-tight font-medium -outline-offset-2 sm:rounded-control',
                current === section ? 'text-accent-text sm:bg-accent-soft' : 'text-muted hover:bg-hover hover:text-text',
              )}
            >
              <Icon aria-hidden size={20} strokeWidth={1.75} />
              <span className="max-w-full hyphens-auto">{t(`sections.${section}`)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}
