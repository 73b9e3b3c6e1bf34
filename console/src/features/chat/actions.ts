import { createContext, use } from 'react'
import type { Decision } from '@/api/generated/wire'
import type { Verdict } from '@/api/socket/session-client'
import type { Turn } from '@/api/socket/view'

/** What can be done on a row of the conversation. The same object for the whole life of a session. */
export type ChatActions = {
  /** Somebody looks on who is not the one that asks: nothing is sent, stopped or rated. */
  isReadOnly?: boolean
  cancel: (turn: Turn) => void
  resend: (content: string, fresh?: boolean) => void
  edit: (content: string) => void
  retryOutgoing: (clientMessageId: string) => void
  discardOutgoing: (clientMessageId: string) => void
  resolveApproval: (approvalId: string, decision: Decision, why?: Verdict) => void
  openCitation: (turn: Turn, index: number) => void
  showTurn: (turn: Turn) => void
}

const Actions = createContext<ChatActions | undefined>(undefined)
export const ChatActionsProvider = Actions.Provider

export function useChatActions(): ChatActions {
  const actions = use(Actions)
  if (!actions) throw new Error('a row stands in a conversation')
  return actions
}
