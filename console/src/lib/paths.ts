/** Every place of the console, in one place. */
export const paths = {
  newChat: () => '/',
  chat: (sessionId: string) => `/chat/${encodeURIComponent(sessionId)}`,
  overview: () => '/overview',
  live: () => '/live',
  liveSession: (sessionId: string) => `/live/${encodeURIComponent(sessionId)}`,
  knowledge: () => '/knowledge',
  agents: () => '/agents',
  agent: (agentId: string) => `/agents/${encodeURIComponent(agentId)}`,
} as const
