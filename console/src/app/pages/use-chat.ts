import { useNavigate } from '@tanstack/react-router'
import { useCallback, useMemo, useRef } from 'react'
import { newSession, sessionClient } from '@/api/socket/session-clients'
import { runningTurn } from '@/api/socket/view'
import { useDetails } from '@/app/pages/session-details'
import type { ChatActions } from '@/features/chat/actions'
import type { ComposerHandle } from '@/features/chat/composer'

/** What the parts of the chat page do to one another: none of them knows the others. */
export function useChat(sessionId: string | undefined) {
  const navigate = useNavigate()
  const composer = useRef<ComposerHandle>(null)
  const details = useDetails()

  const send = useCallback(
    (content: string, fresh = false) => {
      if (sessionId !== undefined) return sessionClient(sessionId).send(content, fresh)
      const client = newSession()
      client.send(content, fresh)
      void navigate({ to: '/chat/$sessionId', params: { sessionId: client.sessionId }, replace: true })
    },
    [sessionId, navigate],
  )
  const stop = useCallback(() => {
    if (sessionId === undefined) return
    const client = sessionClient(sessionId)
    const running = runningTurn(client.state.get().view)
    if (running) client.cancel(running.id)
  }, [sessionId])

  const actions = useMemo<ChatActions>(() => {
    const client = sessionId === undefined ? undefined : sessionClient(sessionId)
    return {
      cancel: (turn) => client?.cancel(turn.id),
      resend: send,
      edit: (content) => composer.current?.edit(content),
      retryOutgoing: (id) => client?.retry(id),
      discardOutgoing: (id) => client?.discard(id),
      resolveApproval: (id, decision, verdict) => client?.resolveApproval(id, decision, verdict),
      ...details.actions,
    }
  }, [sessionId, send, details.actions])

  return { actions, send, stop, composer, details }
}
