import { createStore, useStore } from '@/lib/store'
import { readStored, writeStored } from '@/lib/storage'

/**
 * Where the server wants a token: it is asked for once and kept for this tab alone. `refused` becomes true when the server
 * turned the present one (or none) away, and false with the next one.
 */
export type Access = { token: string | undefined; refused: boolean }

const KEY = 'orchestratai.token'
/** What the server takes: 32 to 512 of these. */
const TOKEN = /^[A-Za-z0-9_-]{32,512}$/

export const access = createStore<Access>({ token: readStored('session', KEY), refused: false })

export function useAccess(): Access {
  return useStore(access)
}

export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

export function giveToken(token: string): void {
  writeStored('session', KEY, token)
  access.set({ token, refused: false })
}

export function forgetToken(): void {
  writeStored('session', KEY, undefined)
  access.set({ token: undefined, refused: true })
}

/** The server has answered that it does not know us. A late answer to an older token changes nothing. */
export function refuseToken(used: string | undefined): void {
  if (access.get().token !== used) return
  writeStored('session', KEY, undefined)
  access.set({ token: undefined, refused: true })
}
