import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { BookUser, PanelRight, SearchX } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useTranslations } from 'use-intl'
import type { LiveSession } from '@/api/live'
import { agentsQuery } from '@/api/server'
import { useSession } from '@/api/socket/session-clients'
import { isUnderWay, type SessionView, type Turn } from '@/api/socket/view'
import { DetailDialogs, SessionLog, useDetails } from '@/app/pages/session-details'
import { ChatActionsProvider, type ChatActions } from '@/features/chat/actions'
import { AgentNames, useAgentNameMap } from '@/features/chat/agent-names'
import { ConnectionBanner } from '@/features/chat/connection-banner'
import { Conversation } from '@/features/chat/conversation'
import { StreamAnnouncer } from '@/features/chat/stream-announcer'
import { useMyName } from '@/features/live/my-name'
import { PersonComposer, type Waiting } from '@/features/live/person-composer'
import { SessionHead } from '@/features/live/session-head'
import { useLive } from '@/features/live/use-live'
import { useMediaQuery } from '@/lib/use-media-query'
import { IconButton } from '@/ui/button'
import { EmptyState } from '@/ui/empty-state'
import { SidePanel, usePanel } from '@/ui/side-panel'
import { Tabs } from '@/ui/tabs'

/** One session over the shoulder: composes the conversation and its log with what an operator can do. */
export function LiveSessionPage() {
  const { sessionId = '' } = useParams({ strict: false })
  return <LiveSessionView key={sessionId} sessionId={sessionId} />
}

const ignore = () => undefined

function LiveSessionView({ sessionId }: { sessionId: string }) {
  const t = useTranslations('live')
  const { client, state } = useSession(sessionId)
  const feed = useLive()
  const { data: listed } = useQuery(agentsQuery)
  const mine = useMyName()
  const isNarrow = useMediaQuery('(max-width: 767px)')
  const [panel, changePanel] = usePanel('live-trace', { isOpen: true, width: 400 })
  const [tab, setTab] = useState('conversation')
  const details = useDetails()
  const { view, link } = state
  const agents = view.agents.length > 0 ? view.agents : (listed ?? [])
  const names = useAgentNameMap(agents)
  const live = feed.live?.sessions.find((one) => one.session.id === sessionId) ?? quiet(sessionId, view)
  const waiting = useMemo(() => waitingFor(view.turns), [view.turns])
  const latest = view.turns.find(isUnderWay) ?? view.turns.at(-1)
  const title = latest?.question?.content ?? live.turn?.question
  const loadOlder = () => void client.loadOlder()

  const actions = useMemo<ChatActions>(
    () => ({
      isReadOnly: true,
      cancel: ignore,
      resend: ignore,
      edit: ignore,
      retryOutgoing: ignore,
      discardOutgoing: ignore,
      resolveApproval: (id, decision, verdict) => client.resolveApproval(id, decision, verdict),
      ...details.actions,
    }),
    [client, details.actions],
  )

  if (state.isGone) {
    return (
      <EmptyState icon={<SearchX aria-hidden size={28} />} title={<h1>{t('gone')}</h1>}>
        {t('goneHint')}
      </EmptyState>
    )
  }
  const conversation = (
    <div className="flex min-h-0 grow flex-col">
      <ConnectionBanner link={link} onReconnect={() => client.reconnect()} />
      <Conversation state={state} onLoadOlder={loadOlder} />
      {live.person?.name === mine && <PersonComposer sessionId={sessionId} name={mine} waiting={waiting} />}
    </div>
  )
  const log = <SessionLog view={view} agents={agents} details={details} onLoadOlder={loadOlder} />
  return (
    <AgentNames value={names}>
      <ChatActionsProvider value={actions}>
        <div className="flex h-full flex-col">
          <SessionHead live={live} title={title} waiting={waiting.length}>
            {live.session.userId !== undefined && (
              <IconButton label={t('memory')} onClick={() => details.showMemory(true)}>
                <BookUser aria-hidden size={18} />
              </IconButton>
            )}
            {!isNarrow && (
              <IconButton
                label={panel.isOpen ? t('hideTrace') : t('showTrace')}
                aria-expanded={panel.isOpen}
                onClick={() => changePanel({ isOpen: !panel.isOpen })}
              >
                <PanelRight aria-hidden size={18} />
              </IconButton>
            )}
          </SessionHead>
          {isNarrow ? (
            <Tabs
              label={t('panels')}
              value={tab}
              onChange={setTab}
              className="grow [&>[role=tabpanel][data-state=active]]:flex [&>[role=tabpanel][data-state=active]]:flex-col"
              tabs={[
                { id: 'conversation', label: t('conversation'), content: conversation },
                { id: 'trace', label: t('trace'), content: <div className="flex min-h-0 grow flex-col pt-2">{log}</div> },
              ]}
            />
          ) : (
            <div className="flex min-h-0 grow">
              {conversation}
              <SidePanel
                id="live-trace"
                side="end"
                state={panel}
                onChange={changePanel}
                label={t('trace')}
                resizeLabel={t('resizeTrace')}
                widthMin={280}
                widthMax={720}
              >
                <h2 className="flex h-12 shrink-0 items-center px-3 text-sm font-semibold">{t('trace')}</h2>
                {log}
              </SidePanel>
            </div>
          )}
          <StreamAnnouncer turn={latest} />
        </div>
        <DetailDialogs details={details} turns={view.turns} agents={agents} userId={live.session.userId} />
      </ChatActionsProvider>
    </AgentNames>
  )
}

/** The messages that wait for a person, the oldest first. */
function waitingFor(turns: readonly Turn[]): Waiting[] {
  return turns.flatMap((turn) =>
    isUnderWay(turn) && turn.agent === 'person' && turn.question
      ? [{ turnId: turn.id, question: turn.question.content, since: turn.acceptedAt ?? turn.question.timestamp }]
      : [],
  )
}

/** What is known of a session that is not listed yet, or among too many others. */
function quiet(sessionId: string, view: SessionView): LiveSession {
  const at = new Date(0).toISOString()
  const unknown = { id: sessionId, startTime: at, lastActivity: at, totalTokens: 0, totalCost: 0, messageCount: 0 }
  const openTurns = view.turns.filter(isUnderWay).length
  return { session: view.session ?? unknown, state: openTurns > 0 ? 'running' : 'idle', openTurns, clients: 1 }
}
