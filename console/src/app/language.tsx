import { useEffect, useState, type ReactNode } from 'react'
import { IntlErrorCode, IntlProvider, type IntlError } from 'use-intl'
import { asMissingPart } from '@/lib/missing-part'
import { preferences, usePreferences, type Language as LanguageCode } from '@/lib/preferences'
import { reloadOnce } from '@/lib/reload-once'
import type { Messages } from '@/messages/types'

const catalogues: Record<LanguageCode, () => Promise<{ default: Messages }>> = {
  en: () => import('@/messages/en.json'),
  de: () => import('@/messages/de.json'),
}

/** The words of a language. */
export type Words = { language: LanguageCode; messages: Messages }

async function load(language: LanguageCode): Promise<Words> {
  const { default: messages } = await catalogues[language]()
  return { language, messages }
}

/** The words of the chosen language, without which there is no page. Where they cannot be had the page is loaded anew. */
export async function firstWords(): Promise<Words> {
  try {
    return await load(preferences().language)
  } catch (error) {
    reloadOnce(asMissingPart(error)?.file ?? 'words')
    throw error
  }
}

/** Loads another language's words when it is chosen; the old ones stay until the new ones are here. */
export function Language({ first, children }: { first: Words; children: ReactNode }) {
  const { language } = usePreferences()
  const [words, setWords] = useState(first)

  useEffect(() => {
    if (words.language === language) return
    let isCurrent = true
    load(language).then(
      (loaded) => {
        if (isCurrent) setWords(loaded)
      },
      () => undefined, // The choice can be made again.
    )
    return () => {
      isCurrent = false
    }
  }, [words.language, language])

  return (
    <IntlProvider locale={words.language} messages={words.messages} onError={report}>
      {children}
    </IntlProvider>
  )
}

/**
 * That no time zone is given is meant: times are then those of the browser. To ask it for its zone takes 70 ms of a phone, and the
 * first page has no time on it.
 */
function report(error: IntlError): void {
  if (error.code !== IntlErrorCode.ENVIRONMENT_FALLBACK) console.error(error)
}
