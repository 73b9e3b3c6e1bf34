import { createStore, useStore } from './store'
import { readStored, writeStored } from './storage'

export const THEMES = ['system', 'light', 'dark'] as const
export const CONTRASTS = ['system', 'normal', 'more'] as const
export const LANGUAGES = ['en', 'de'] as const

export type Theme = (typeof THEMES)[number]
export type Contrast = (typeof CONTRASTS)[number]
export type Language = (typeof LANGUAGES)[number]

/** What a person chose, kept in this browser. */
export type Preferences = { theme: Theme; contrast: Contrast; language: Language }

const KEY = 'orchestratai.preferences'

function choice<T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T {
  return allowed.find((one) => one === value) ?? otherwise
}

function languageOfBrowser(): Language {
  for (const tag of navigator.languages) {
    const found = LANGUAGES.find((language) => tag.toLowerCase().split('-')[0] === language)
    if (found) return found
  }
  return 'en'
}

/** Takes what was stored, whatever it is. */
export function parsePreferences(stored: string | undefined): Preferences {
  let value: unknown
  try {
    value = JSON.parse(stored ?? '{}')
  } catch {
    value = {}
  }
  const found: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {}
  return {
    theme: choice(found['theme'], THEMES, 'system'),
    contrast: choice(found['contrast'], CONTRASTS, 'system'),
    language: choice(found['language'], LANGUAGES, languageOfBrowser()),
  }
}

const store = createStore<Preferences>(parsePreferences(readStored('local', KEY)))

export function preferences(): Preferences {
  return store.get()
}

export function usePreferences(): Preferences {
  return useStore(store)
}

export function choose(change: Partial<Preferences>): void {
  store.set((now) => ({ ...now, ...change }))
  writeStored('local', KEY, JSON.stringify(store.get()))
}

/** Puts theme, contrast and language on the page, now and whenever one of them or the system's wish changes. */
export function applyPreferences(root: HTMLElement): void {
  const wantsContrast = window.matchMedia('(prefers-contrast: more)')
  const apply = () => {
    const { theme, contrast, language } = store.get()
    root.lang = language
    if (theme === 'system') delete root.dataset['theme']
    else root.dataset['theme'] = theme
    const more = contrast === 'more' || (contrast === 'system' && wantsContrast.matches)
    if (more) root.dataset['contrast'] = 'more'
    else delete root.dataset['contrast']
  }
  apply()
  store.subscribe(apply)
  wantsContrast.addEventListener('change', apply)
}
