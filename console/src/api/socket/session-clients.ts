import { useEffect } from 'react'
import { useStore } from '@/lib/store'
import { SessionClient, type SessionState } from './session-client'
import { uuidV7 } from './uuid'

/** Sessions that are kept as they were left, so that going back to one shows it at once. */
const KEPT_MAX = 8

const clients = new Map<string, SessionClient>()

export function sessionClient(sessionId: string, isNew = false): SessionClient {
  const known = clients.get(sessionId)
  const client = known ?? new SessionClient(sessionId, isNew)
  // The last used is the last in the map.
  clients.delete(sessionId)
  clients.set(sessionId, client)
  for (const [id] of clients) {
    if (clients.size <= KEPT_MAX) break
    clients.delete(id)
  }
  return client
}

/** A session that begins with its first message. */
export function newSession(): SessionClient {
  return sessionClient(uuidV7(), true)
}

export function forgetSession(sessionId: string): void {
  clients.get(sessionId)?.end()
  clients.delete(sessionId)
}

/** Follows the session as long as the component is there. */
export function useSession(sessionId: string): { client: SessionClient; state: SessionState } {
  const client = sessionClient(sessionId)
  useEffect(() => {
    client.start()
    return () => client.end()
  }, [client])
  return { client, state: useStore(client.state) }
}
