import type { LiveSession, PersonWanted } from '@/api/live'
import type { LiveSearch } from '@/lib/live-search'

/** Whether a session is among those that somebody looks for: by what is asked, who is at it, or where it is. */
export function isMatch(
  live: LiveSession,
  { q = '', state }: LiveSearch,
  agentName: (id: string) => string,
  name?: string,
): boolean {
  if (state !== undefined && live.state !== state) return false
  const agent = live.turn?.agent
  const texts = [
    live.session.id,
    name,
    live.session.userId,
    live.turn?.question,
    agent,
    agent === undefined ? undefined : agentName(agent),
    live.person?.name,
    wantedPerson(live)?.reason,
    live.node,
  ]
  const all = texts.filter((text) => text !== undefined).join('\n').toLocaleLowerCase()
  return q.toLocaleLowerCase().split(/\s+/).every((word) => all.includes(word))
}

/** Messages that wait for the person who has the session. */
export function waitingMessages(live: LiveSession): number {
  return live.state === 'person' ? live.openTurns : Math.max(0, live.openTurns - 1)
}

/** That an agent has asked for a person who has not come. */
export function wantedPerson(live: LiveSession): PersonWanted | undefined {
  return live.person ? undefined : live.personWanted
}

/** Those first in which a person is wanted, and of them those that have waited longest; the others as they were. */
export function wantedFirst(sessions: readonly LiveSession[]): LiveSession[] {
  const since = (live: LiveSession) => Date.parse(wantedPerson(live)?.since ?? '') || Infinity
  return [...sessions].sort((one, other) => {
    const [a, b] = [since(one), since(other)]
    return a === b ? 0 : a - b
  })
}
