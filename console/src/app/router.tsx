import type { QueryClient } from '@tanstack/react-query'
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { NotFound, RouteError } from '@/app/route-error'
import { Shell } from '@/app/shell/shell'
import type { Section } from '@/app/shell/sections'
import { liveSearch } from '@/lib/live-search'
import { part } from '@/lib/missing-part'
import { overviewWindow, type OverviewWindow } from '@/lib/overview-window'

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>
  }
  interface StaticDataRouteOption {
    /** The section that a route belongs to: what the navigation marks, and what is announced. */
    section?: Section
  }
}

/** What stands in an address as a number, a text that looks like one, is a text all the same. */
function text(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({ component: Shell, notFoundComponent: NotFound })

/** Without a path of its own, so that a new chat becomes a session without being built anew. */
const chat = createRoute({
  getParentRoute: () => root,
  id: 'conversation',
  staticData: { section: 'chat' },
  component: lazyRouteComponent(part(() => import('@/app/pages/chat')), 'ChatPage'),
})
const newChat = createRoute({ getParentRoute: () => chat, path: '/' })
const chatSession = createRoute({ getParentRoute: () => chat, path: '/chat/$sessionId' })

const overview = createRoute({
  getParentRoute: () => root,
  path: '/overview',
  staticData: { section: 'overview' },
  validateSearch: (search): { window?: OverviewWindow } =>
    search['window'] === undefined ? {} : { window: overviewWindow(search['window']) },
  component: lazyRouteComponent(part(() => import('@/features/overview/overview-page')), 'OverviewPage'),
})
const live = createRoute({
  getParentRoute: () => root,
  path: '/live',
  staticData: { section: 'live' },
  validateSearch: liveSearch,
  component: lazyRouteComponent(part(() => import('@/features/live/live-page')), 'LivePage'),
})
const liveSession = createRoute({
  getParentRoute: () => root,
  path: '/live/$sessionId',
  staticData: { section: 'live' },
  component: lazyRouteComponent(part(() => import('@/app/pages/live-session')), 'LiveSessionPage'),
})
const knowledge = createRoute({
  getParentRoute: () => root,
  path: '/knowledge',
  staticData: { section: 'knowledge' },
  validateSearch: (search): { collection?: string | undefined; query?: string | undefined } => ({
    collection: text(search['collection']),
    query: text(search['query']),
  }),
  component: lazyRouteComponent(part(() => import('@/features/knowledge/knowledge-page')), 'KnowledgePage'),
})
const knowledgeDocument = createRoute({
  getParentRoute: () => root,
  path: '/knowledge/documents/$documentId',
  staticData: { section: 'knowledge' },
  validateSearch: (search): { passage?: string | undefined } => ({ passage: text(search['passage']) }),
  component: lazyRouteComponent(part(() => import('@/features/knowledge/documents/document-page')), 'DocumentPage'),
})
const knowledgeSearch = createRoute({
  getParentRoute: () => root,
  path: '/knowledge/search',
  staticData: { section: 'knowledge' },
  validateSearch: (search): { q?: string | undefined; collection?: string | undefined } => ({
    q: text(search['q']),
    collection: text(search['collection']),
  }),
  component: lazyRouteComponent(part(() => import('@/features/knowledge/search/search-page')), 'SearchPage'),
})
const knowledgeQuestions = createRoute({
  getParentRoute: () => root,
  path: '/knowledge/questions',
  staticData: { section: 'knowledge' },
  validateSearch: (search): { state?: 'done' | undefined } => ({ state: search['state'] === 'done' ? 'done' : undefined }),
  component: lazyRouteComponent(part(() => import('@/features/knowledge/questions/questions-page')), 'QuestionsPage'),
})
const agents = createRoute({
  getParentRoute: () => root,
  path: '/agents',
  staticData: { section: 'agents' },
  component: lazyRouteComponent(part(() => import('@/features/agents/agents-page')), 'AgentsPage'),
})
const agent = createRoute({
  getParentRoute: () => root,
  path: '/agents/$agentId',
  staticData: { section: 'agents' },
  validateSearch: (search): { view?: 'playground' | 'settings' | undefined } => {
    const { view } = search
    return { view: view === 'playground' || view === 'settings' ? view : undefined }
  },
  component: lazyRouteComponent(part(() => import('@/features/agents/agent-page')), 'AgentPage'),
})

const routeTree = root.addChildren([
  chat.addChildren([newChat, chatSession]),
  overview,
  live,
  liveSession,
  knowledge,
  knowledgeDocument,
  knowledgeSearch,
  knowledgeQuestions,
  agents,
  agent,
])

export function createConsoleRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: 'intent',
    defaultErrorComponent: RouteError,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: false,
  })
}
