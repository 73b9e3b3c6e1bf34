import { classNames } from '@/lib/class-names'

/** How much of a whole something is: a similarity, a confidence, a share. `value` in 0 to 1. */
export function Meter({ value, label, tone = 'accent', className }: {
  value: number
  label: string
  tone?: 'accent' | 'agent' | 'success' | 'warning' | 'danger'
  className?: string
}) {
  const share = Math.min(1, Math.max(0, value))
  const colors = {
    accent: 'bg-accent',
    agent: 'bg-agent-solid',
    success: 'bg-success-solid',
    warning: 'bg-warning-solid',
    danger: 'bg-danger-solid',
  }
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={1}
      aria-valuenow={share}
      aria-valuetext={`${Math.round(share * 100)} %`}
      className={classNames('h-1.5 overflow-hidden rounded-full bg-pressed', className)}
    >
      <div className={classNames('h-full rounded-full', colors[tone])} style={{ width: `${share * 100}%` }} />
    </div>
  )
}

/** How far some work has come; without `value` it only says that it goes on. */
export function Progress({ value, label, className }: { value?: number; label: string; className?: string }) {
  const share = value === undefined ? undefined : Math.min(1, Math.max(0, value))
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={1}
      aria-valuenow={share}
      className={classNames('h-1.5 overflow-hidden rounded-full bg-pressed', className)}
    >
      <div
        className={classNames('h-full rounded-full bg-accent transition-[width]', share === undefined && 'w-full animate-pulse-soft')}
        style={share === undefined ? undefined : { width: `${share * 100}%` }}
      />
    </div>
  )
}
