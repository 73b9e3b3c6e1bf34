import { readStored, writeStored } from '@/lib/storage'
import { createStore, useStore } from '@/lib/store'

const KEY = 'orchestratai.person-name'

/** What the server takes as a name. */
export const NAME_CHARACTERS_MAX = 80
export const REASON_CHARACTERS_MAX = 1_000
export const REPLY_CHARACTERS_MAX = 2_000

const name = createStore(readStored('local', KEY) ?? '')

/** The name under which this browser takes sessions over. Nobody vouches for it: it says who is meant to answer. */
export function useMyName(): string {
  return useStore(name)
}

export function keepMyName(mine: string): void {
  name.set(mine)
  writeStored('local', KEY, mine)
}
