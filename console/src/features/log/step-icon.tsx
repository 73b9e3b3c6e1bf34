import { BookOpenText, DatabaseZap, Route, ScanSearch, type LucideIcon } from 'lucide-react'
import type { LogType } from '@/api/generated/wire'

const ICONS: Record<LogType, LucideIcon> = {
  routing: Route,
  vector_search: ScanSearch,
  cache: DatabaseZap,
  documents: BookOpenText,
}

export function StepIcon({ type, size = 16 }: { type: LogType; size?: number }) {
  const Icon = ICONS[type]
  return <Icon aria-hidden size={size} className="shrink-0" />
}
