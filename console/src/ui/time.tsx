import { useFormatter, useNow } from 'use-intl'

/** A moment, as people say it; the exact one is a tooltip away. */
export function Time({ at, className }: { at: string; className?: string }) {
  const format = useFormatter()
  const now = useNow({ updateInterval: 60_000 })
  const date = new Date(at)
  // A clock that differs by a moment from the server's must not speak of the future.
  const shown = date > now ? now : date
  return (
    <time dateTime={at} title={format.dateTime(date, { dateStyle: 'medium', timeStyle: 'medium' })} className={className}>
      {format.relativeTime(shown, now)}
    </time>
  )
}
