import { passageKey } from './passage'

/** Every place of the console, in one place. */
export const paths = {
  newChat: () => '/',
  chat: (sessionId: string) => `/chat/${encodeURIComponent(sessionId)}`,
  overview: () => '/overview',
  live: () => '/live',
  liveSession: (sessionId: string) => `/live/${encodeURIComponent(sessionId)}`,
  knowledge: () => '/knowledge',
  document: (documentId: string) => `/knowledge/documents/${encodeURIComponent(documentId)}`,
  /** Where a passage stands in its document; `content` is the chunk's text. */
  passage: (documentId: string, content: string) => `${paths.document(documentId)}?passage=${passageKey(content)}`,
  knowledgeSearch: (question?: string) =>
    question === undefined ? '/knowledge/search' : `/knowledge/search?q=${encodeURIComponent(JSON.stringify(question))}`,
  knowledgeQuestions: () => '/knowledge/questions',
  agents: () => '/agents',
  agent: (agentId: string) => `/agents/${encodeURIComponent(agentId)}`,
} as const
