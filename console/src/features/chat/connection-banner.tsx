import { useEffect, useState } from 'react'
import { useTranslations } from 'use-intl'
import type { Link } from '@/api/link'
import { Button } from '@/ui/button'
import { Notice } from '@/ui/notice'

/** Why nothing comes, and what is done about it; nothing while all is well. */
export function ConnectionBanner({ link, onReconnect }: { link: Link; onReconnect: () => void }) {
  const t = useTranslations('chat.banner')
  const seconds = useSecondsUntil('retryAt' in link ? link.retryAt : undefined)
  switch (link.kind) {
    case 'draining':
      return (
        <Notice tone="warning" isLive className="mx-4 mt-2">
          {t('draining')}
        </Notice>
      )
    case 'waiting':
      // The first try follows at once: who notices nothing need not be told.
      if (link.attempt < 2) return null
      return (
        <Notice
          tone="warning"
          isLive
          className="mx-4 mt-2"
          actions={
            <Button size="small" onClick={onReconnect}>
              {t('now')}
            </Button>
          }
        >
          {t('offline')} <span aria-hidden>{t('retryIn', { seconds })}</span>
        </Notice>
      )
    case 'refused':
      return (
        <Notice tone="danger" isLive className="mx-4 mt-2">
          {link.closeCode === 4001 ? t('unauthenticated') : t('forbidden')}
        </Notice>
      )
    case 'live':
      return link.by === 'events' ? (
        <Notice tone="info" isLive className="mx-4 mt-2">
          {t('fallback')}
        </Notice>
      ) : null
    case 'none':
    case 'connecting':
    case 'catching-up':
    case 'offline':
      return null
  }
}

function useSecondsUntil(at: number | undefined): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (at === undefined) return
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [at])
  return at === undefined ? 0 : Math.max(0, Math.ceil((at - now) / 1_000))
}
