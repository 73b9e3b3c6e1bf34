import type { LANGUAGES } from '@/lib/preferences'
import type en from './en.json'

/** English is the reference; a test holds the other languages against it. */
export type Messages = typeof en

declare module 'use-intl' {
  interface AppConfig {
    Messages: Messages
    Locale: (typeof LANGUAGES)[number]
  }
}
