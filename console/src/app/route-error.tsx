import { Link, type ErrorComponentProps } from '@tanstack/react-router'
import { Compass, TriangleAlert } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'

/** A page that broke: the rest of the console stays. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  const t = useTranslations('errors')
  // A chunk is no longer there: the console was updated while this page was open.
  const failure = asApiError(error)
  const isStale = /dynamically imported module|module script failed/i.test(failure.message)
  return (
    <div role="alert" className="h-full overflow-auto">
      <EmptyState
        icon={<TriangleAlert aria-hidden size={28} />}
        title={isStale ? t('stale') : t('pageBroke')}
        actions={
          <Button
            tone="primary"
            onClick={() => {
              if (isStale) window.location.reload()
              else reset()
            }}
          >
            {isStale ? t('reload') : t('tryAgain')}
          </Button>
        }
      >
        <p className="break-words">{isStale ? t('staleHint') : failure.message}</p>
      </EmptyState>
    </div>
  )
}

export function NotFound() {
  const t = useTranslations('errors')
  return (
    <EmptyState icon={<Compass aria-hidden size={28} />} title={t('notFound')}>
      <p>
        <Link to="/" className="text-accent-text underline underline-offset-2">
          {t('toStart')}
        </Link>
      </p>
    </EmptyState>
  )
}
