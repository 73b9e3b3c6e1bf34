import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { lazy, Suspense, useEffect } from 'react'
import { useTranslations } from 'use-intl'
import { agentsQuery, consoleQuery } from '@/api/server'
import { forgetSession, useSession } from '@/api/socket/session-clients'
import type { SessionState } from '@/api/socket/session-client'
import { emptyView } from '@/api/socket/view'
import { ChatFrame } from '@/app/pages/chat-frame'
import { DetailDialogs, SessionLog } from '@/app/pages/session-details'
import { useChat } from '@/app/pages/use-chat'
import { ChatActionsProvider } from '@/features/chat/actions'
import { AgentCards } from '@/features/chat/agent-cards'
import { AgentNames, useAgentNameMap } from '@/features/chat/agent-names'
import { Composer } from '@/features/chat/composer'
import { ConnectionBanner } from '@/features/chat/connection-banner'
import { EmptyChat } from '@/features/chat/empty-chat'
import { StreamAnnouncer } from '@/features/chat/stream-announcer'
import { SessionHeader } from '@/features/sessions/session-header'
import { SessionList } from '@/features/sessions/session-list'
import { useSessionTitle } from '@/features/sessions/use-session-title'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'

const loadConversation = () => import('@/features/chat/conversation')
const Conversation = lazy(() => loadConversation().then((module) => ({ default: module.Conversation })))

/** Composes the agents and the sessions, the conversation, and the retrieval log. */
export function ChatPage() {
  const { sessionId } = useParams({ strict: false })
  return sessionId === undefined ? <Chat sessionId={undefined} state={NOTHING} /> : <SessionChat key={sessionId} sessionId={sessionId} />
}

/** Long enough after the first paint to be in nobody's way, and long before a first question is typed. */
const CONVERSATION_AFTER_MS = 1_500

const NOTHING: SessionState = {
  view: emptyView(''),
  link: { kind: 'none' },
  outbox: [],
  history: { kind: 'idle' },
  isGone: false,
  cancelling: undefined,
  problem: undefined,
}

function SessionChat({ sessionId }: { sessionId: string }) {
  const { client, state } = useSession(sessionId)
  return (
    <Chat
      sessionId={sessionId}
      state={state}
      onLoadOlder={() => void client.loadOlder()}
      onReconnect={() => client.reconnect()}
    />
  )
}

const ignore = () => undefined

function Chat({ sessionId, state, onLoadOlder = ignore, onReconnect = ignore }: {
  sessionId: string | undefined
  state: SessionState
  onLoadOlder?: () => void
  onReconnect?: () => void
}) {
  const t = useTranslations('chat')
  const navigate = useNavigate()
  const { view, link, outbox } = state
  const { data: listed } = useQuery(agentsQuery)
  const { data: info } = useQuery({ ...consoleQuery, enabled: sessionId === undefined })
  const agents = view.agents.length > 0 ? view.agents : listed
  const names = useAgentNameMap(agents ?? [])
  const { actions, send, stop, composer, details } = useChat(sessionId)
  const title = useSessionTitle(sessionId, view.turns[0]?.seq === 1 ? view.turns[0].question?.content : undefined)
  const running = view.turns.find((turn) => turn.outcome === undefined)
  const latest = running ?? view.turns.at(-1)
  const isEmpty = view.turns.length === 0 && outbox.length === 0 && view.firstSeq <= 1 && (sessionId === undefined || link.kind === 'live')
  const isConnected = sessionId === undefined || link.kind === 'live'
  const newChat = () => void navigate({ to: '/' })
  // A server that has gone by the time of the first question could not give it.
  useEffect(() => {
    const timer = setTimeout(() => void loadConversation().catch(() => undefined), CONVERSATION_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])

  return (
    <AgentNames value={names}>
      <ChatActionsProvider value={actions}>
        <ChatFrame
          onNewChat={newChat}
          onFocusComposer={() => composer.current?.focus()}
          header={(buttons) => (
            <SessionHeader
              sessionId={sessionId}
              title={title}
              session={view.session}
              onShowMemory={view.session?.userId === undefined ? undefined : () => details.showMemory(true)}
              onDeleted={() => {
                if (sessionId !== undefined) forgetSession(sessionId)
                newChat()
              }}
            >
              {buttons}
            </SessionHeader>
          )}
          start={
            <>
              <AgentCards agents={agents} />
              <SessionList current={sessionId} />
            </>
          }
          log={<SessionLog view={view} agents={agents ?? []} details={details} onLoadOlder={onLoadOlder} />}
        >
          <ConnectionBanner link={link} onReconnect={onReconnect} />
          {state.isGone ? (
            <EmptyState
              title={t('gone')}
              className="grow"
              actions={
                <Button tone="primary" onClick={newChat}>
                  {t('newChat')}
                </Button>
              }
            >
              {t('goneHint')}
            </EmptyState>
          ) : isEmpty ? (
            <EmptyChat examples={info?.examples ?? [t('example1'), t('example2'), t('example3')]} onAsk={send} />
          ) : (
            <Suspense fallback={<div className="grow" />}>
              <Conversation state={state} onLoadOlder={onLoadOlder} />
            </Suspense>
          )}
          {!state.isGone && (
            <Composer
              key={sessionId ?? 'new'}
              sessionId={sessionId}
              ref={composer}
              onSend={send}
              onStop={running ? stop : undefined}
              lastQuestion={view.turns.findLast((turn) => turn.question)?.question?.content}
              isConnected={isConnected}
            />
          )}
          <StreamAnnouncer turn={latest} />
        </ChatFrame>
        <DetailDialogs details={details} turns={view.turns} agents={agents ?? []} userId={view.session?.userId} />
      </ChatActionsProvider>
    </AgentNames>
  )
}
