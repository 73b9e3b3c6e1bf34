import { useEffect, useState, type ReactNode } from 'react'
import { IntlProvider } from 'use-intl'
import type { Messages } from '@/messages/types'
import { usePreferences, type Language as LanguageCode } from '@/lib/preferences'

const catalogues: Record<LanguageCode, () => Promise<{ default: Messages }>> = {
  en: () => import('@/messages/en.json'),
  de: () => import('@/messages/de.json'),
}

/** Loads the chosen language's words; the old ones stay until the new ones are here. */
export function Language({ children }: { children: ReactNode }) {
  const { language } = usePreferences()
  const [loaded, setLoaded] = useState<{ language: LanguageCode; messages: Messages }>()

  useEffect(() => {
    let isCurrent = true
    void catalogues[language]().then(({ default: messages }) => {
      if (isCurrent) setLoaded({ language, messages })
    })
    return () => {
      isCurrent = false
    }
  }, [language])

  if (!loaded) return <BootFrame />
  return (
    <IntlProvider
      locale={loaded.language}
      messages={loaded.messages}
      timeZone={Intl.DateTimeFormat().resolvedOptions().timeZone}
    >
      {children}
    </IntlProvider>
  )
}

/** The same frame as in index.html, so that nothing moves while the words load. */
function BootFrame() {
  return (
    <div className="boot" aria-busy>
      <div className="boot-bar">
        <img src="/favicon.svg" alt="" width={22} height={22} />
        <span>OrchestratAI</span>
      </div>
    </div>
  )
}
