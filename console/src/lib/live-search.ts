export const LIVE_STATES = ['running', 'person', 'idle'] as const

export type LiveState = (typeof LIVE_STATES)[number]

/** What of the live sessions is shown: part of the address. */
export type LiveSearch = { q?: string; state?: LiveState }

const QUERY_CHARACTERS_MAX = 200

export function liveSearch(search: Record<string, unknown>): LiveSearch {
  const { q, state } = search
  const known = LIVE_STATES.find((one) => one === state)
  const text = typeof q === 'string' || typeof q === 'number' ? String(q).slice(0, QUERY_CHARACTERS_MAX) : ''
  return { ...(text === '' ? {} : { q: text }), ...(known === undefined ? {} : { state: known }) }
}
