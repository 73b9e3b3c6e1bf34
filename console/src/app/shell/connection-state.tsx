import { useQuery } from '@tanstack/react-query'
import { useTranslations } from 'use-intl'
import { useLink, type Link } from '@/api/link'
import { healthQuery } from '@/api/server'
import { Dot } from '@/ui/badge'

type Shown = 'connected' | 'connecting' | 'catchingUp' | 'fallback' | 'offline' | 'draining' | 'refused'

function shown(link: Link, health: 'pending' | 'error' | 'success'): Shown {
  switch (link.kind) {
    case 'live':
      return link.by === 'socket' ? 'connected' : 'fallback'
    case 'connecting':
      return 'connecting'
    case 'catching-up':
      return 'catchingUp'
    case 'waiting':
    case 'offline':
      return 'offline'
    case 'draining':
      return 'draining'
    case 'refused':
      return 'refused'
    case 'none':
      return health === 'pending' ? 'connecting' : health === 'error' ? 'offline' : 'connected'
  }
}

const TONES = {
  connected: 'success',
  fallback: 'warning',
  connecting: 'neutral',
  catchingUp: 'neutral',
  offline: 'danger',
  draining: 'warning',
  refused: 'danger',
} as const

/** Whether the console hears from the server: always in view, in words, and read out where it changes. */
export function ConnectionState() {
  const t = useTranslations('shell')
  const health = useQuery(healthQuery)
  const state = shown(useLink(), health.status)
  const version = health.data?.version
  return (
    <p
      role="status"
      aria-label={t('connection.label')}
      title={version === undefined ? undefined : t('connection.version', { version })}
      className="flex items-center gap-2 px-1.5 text-sm text-muted"
    >
      <Dot tone={TONES[state]} isPulsing={state === 'connecting' || state === 'catchingUp'} />
      {t(`connection.${state}`)}
    </p>
  )
}
