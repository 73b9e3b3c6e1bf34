import { useQuery } from '@tanstack/react-query'
import { Link, type ErrorComponentProps } from '@tanstack/react-router'
import { Compass, TriangleAlert } from 'lucide-react'
import { useEffect, useId, useState } from 'react'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { healthQuery } from '@/api/server'
import { asMissingPart, type MissingPart } from '@/lib/missing-part'
import { reloadOnce } from '@/lib/reload-once'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'

/** A page that broke: the rest of the console stays. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  const t = useTranslations('errors')
  const missing = asMissingPart(error)
  return (
    <div role="alert" className="h-full overflow-auto">
      {missing ? (
        <PartMissing missing={missing} />
      ) : (
        <EmptyState
          icon={<TriangleAlert aria-hidden size={28} />}
          title={t('pageBroke')}
          actions={
            <Button tone="primary" onClick={reset}>
              {t('tryAgain')}
            </Button>
          }
        >
          <p className="break-words">{asApiError(error).message}</p>
        </EmptyState>
      )}
    </div>
  )
}

/**
 * Loads the console anew as soon as the server answers: it has another version, or was away. Where that has been tried, it is
 * left to whoever looks at it. Drafts and what was not sent yet are kept in the tab.
 */
function PartMissing({ missing }: { missing: MissingPart }) {
  const t = useTranslations('errors')
  // Asked under a key of its own: what was on its way before, or is remembered, says nothing of whether the server is there now,
  // and a page that is loaded anew while it is away is lost.
  const askedBy = useId()
  const { isSuccess: isServed, isFetching } = useQuery({ ...healthQuery, queryKey: [...healthQuery.queryKey, 'missing part', askedBy], gcTime: 0 })
  const [wasTried, setWasTried] = useState(false)
  useEffect(() => {
    if (isServed && !wasTried && !reloadOnce(missing.file)) setWasTried(true)
  }, [isServed, wasTried, missing])
  return (
    <EmptyState
      icon={<TriangleAlert aria-hidden size={28} />}
      title={wasTried ? t('stale') : t('partMissing')}
      actions={
        <Button tone="primary" isBusy={isFetching} onClick={() => window.location.reload()}>
          {t('reload')}
        </Button>
      }
    >
      <p>{wasTried ? t('staleHint') : t('partMissingHint')}</p>
    </EmptyState>
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
