import { createStore, useStore } from '@/lib/store'

/** How a live connection stands: the socket of the session in view, or what stands in for it. */
export type Link =
  | { kind: 'none' }
  | { kind: 'connecting'; attempt: number }
  | { kind: 'live'; by: 'socket' | 'events' }
  | { kind: 'catching-up'; afterSeq: number }
  | { kind: 'waiting'; attempt: number; retryAt: number }
  | { kind: 'offline' }
  | { kind: 'draining'; retryAt: number }
  | { kind: 'refused'; closeCode: 4001 | 4003 }

/** The one that the shell shows. */
export const link = createStore<Link>({ kind: 'none' })

export function useLink(): Link {
  return useStore(link)
}
