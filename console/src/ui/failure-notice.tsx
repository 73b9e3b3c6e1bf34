import { useTranslations } from 'use-intl'
import { Button } from './button'
import { Notice } from './notice'

/** What could not be loaded or done, why, and the way to try it again. */
export function FailureNotice({ error, onRetry, className }: { error: Error; onRetry?: (() => void) | undefined; className?: string }) {
  const t = useTranslations('errors')
  return (
    <Notice
      tone="danger"
      isLive
      {...(className === undefined ? {} : { className })}
      actions={
        onRetry && (
          <Button size="small" onClick={onRetry}>
            {t('tryAgain')}
          </Button>
        )
      }
    >
      <span className="break-words">{error.message}</span>
    </Notice>
  )
}
