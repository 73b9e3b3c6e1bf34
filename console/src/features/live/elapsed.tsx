import { useEffect, useState } from 'react'
import { useTranslations } from 'use-intl'

/** How long ago something began, counted on each second. Not read out: it would never be silent. */
export function Elapsed({ since }: { since: string }) {
  const t = useTranslations('live.elapsed')
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  // The clocks of server and browser differ: nothing began in the future.
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1_000))
  return (
    <time dateTime={since} aria-live="off" className="tabular-nums">
      {seconds < 60
        ? t('seconds', { seconds })
        : seconds < 3_600
          ? t('minutes', { minutes: Math.floor(seconds / 60), seconds: seconds % 60 })
          : t('hours', { hours: Math.floor(seconds / 3_600), minutes: Math.floor((seconds % 3_600) / 60) })}
    </time>
  )
}
