import { Activity, Bot, Library, MessagesSquare, Radio, type LucideIcon } from 'lucide-react'

export type Section = 'chat' | 'overview' | 'live' | 'knowledge' | 'agents'

type Entry = { section: Section; to: '/' | '/overview' | '/live' | '/knowledge' | '/agents'; Icon: LucideIcon; key: string }

/** In the order of the navigation; `key` is the second key of the shortcut `g …`. */
export const SECTIONS: readonly Entry[] = [
  { section: 'chat', to: '/', Icon: MessagesSquare, key: 'c' },
  { section: 'overview', to: '/overview', Icon: Activity, key: 'o' },
  { section: 'live', to: '/live', Icon: Radio, key: 'l' },
  { section: 'knowledge', to: '/knowledge', Icon: Library, key: 'k' },
  { section: 'agents', to: '/agents', Icon: Bot, key: 'a' },
]
