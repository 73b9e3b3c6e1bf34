import { useMatches, useRouterState } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslations } from 'use-intl'

/** Names the page in the title, tells screen readers of a new one, and moves the focus to it, as a page load would. */
export function RouteAnnouncer() {
  const t = useTranslations('shell')
  const section = useMatches({ select: (matches) => matches.findLast((match) => match.staticData.section)?.staticData.section })
  const isLoading = useRouterState({ select: (state) => state.status === 'pending' })
  const [announced, setAnnounced] = useState('')
  const before = useRef(section)
  const title = section ? t(`sections.${section}`) : ''

  useEffect(() => {
    document.title = title ? `${title} · OrchestratAI` : 'OrchestratAI'
  }, [title])

  useEffect(() => {
    if (isLoading || before.current === section) return
    before.current = section
    setAnnounced(title)
    const main = document.getElementById('main')
    // A page may have put the focus where work begins.
    if (main && !main.contains(document.activeElement)) main.focus({ preventScroll: true })
  }, [isLoading, section, title])

  return (
    <p role="status" aria-live="polite" className="sr-only">
      {announced}
    </p>
  )
}
