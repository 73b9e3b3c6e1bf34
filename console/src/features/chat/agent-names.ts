import { createContext, use, useMemo } from 'react'
import { useTranslations } from 'use-intl'
import type { Agent, AgentColor } from '@/api/generated/wire'

/** What stays of an agent while it works: its name and colour. */
export type AgentName = { name: string; color: AgentColor | undefined }

const Names = createContext<ReadonlyMap<string, AgentName>>(new Map())
export const AgentNames = Names.Provider

/** The same map as long as names and colours are the same, whatever the agents do. */
export function useAgentNameMap(agents: readonly Agent[]): ReadonlyMap<string, AgentName> {
  const t = useTranslations('chat')
  const person = t('person')
  const key = JSON.stringify(agents.map(({ id, name, color }) => [id, name, color]))
  return useMemo(() => {
    const known = JSON.parse(key) as [string, string, AgentColor][]
    return new Map<string, AgentName>([
      ['person', { name: person, color: undefined }],
      ...known.map(([id, name, color]) => [id, { name, color }] as const),
    ])
  }, [key, person])
}

export function useAgentName(id: string | undefined): AgentName | undefined {
  const names = use(Names)
  return id === undefined ? undefined : (names.get(id) ?? { name: id, color: undefined })
}
