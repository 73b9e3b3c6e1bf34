import type { ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

export type BadgeTone = 'neutral' | 'accent' | 'success' | 'warning' | 'danger' | 'agent'

const TONES: Record<BadgeTone, string> = {
  neutral: 'bg-hover text-muted',
  accent: 'bg-accent-soft text-accent-text',
  success: 'bg-success-soft text-success',
  warning: 'bg-warning-soft text-warning',
  danger: 'bg-danger-soft text-danger',
  /** The colour of the agent named by the nearest `data-color`. */
  agent: 'bg-agent-soft text-agent',
}

export function Badge({
  tone = 'neutral',
  icon,
  className,
  children,
}: {
  tone?: BadgeTone
  icon?: ReactNode
  className?: string
  children: ReactNode
}) {
  return (
    <span
      className={classNames(
        'inline-flex h-5 max-w-full items-center gap-1 rounded-full px-2 text-xs font-medium whitespace-nowrap',
        TONES[tone],
        className,
      )}
    >
      {icon}
      <span className="truncate">{children}</span>
    </span>
  )
}

/** A dot beside words, never alone: colour by itself says nothing to many. */
export function Dot({ tone, isPulsing = false }: { tone: Exclude<BadgeTone, 'accent'>; isPulsing?: boolean }) {
  const colors = {
    neutral: 'bg-faint',
    success: 'bg-success-solid',
    warning: 'bg-warning-solid',
    danger: 'bg-danger-solid',
    agent: 'bg-agent-solid',
  }
  return (
    <span
      aria-hidden
      className={classNames('size-2 shrink-0 rounded-full', colors[tone], isPulsing && 'animate-pulse-soft')}
    />
  )
}
