import { CircleAlert, Info, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

const TONES = {
  info: { className: 'bg-accent-soft text-accent-text', Icon: Info },
  warning: { className: 'bg-warning-soft text-warning', Icon: TriangleAlert },
  danger: { className: 'bg-danger-soft text-danger', Icon: CircleAlert },
}

/** Something to know about the page it stands on; `isLive` where it comes and goes by itself and is to be read out. */
export function Notice({
  tone = 'info',
  isLive = false,
  actions,
  className,
  children,
}: {
  tone?: keyof typeof TONES
  isLive?: boolean
  actions?: ReactNode
  className?: string
  children: ReactNode
}) {
  const { className: colors, Icon } = TONES[tone]
  return (
    <div
      role={isLive ? (tone === 'danger' ? 'alert' : 'status') : undefined}
      className={classNames('flex flex-wrap items-center gap-x-3 gap-y-1 rounded-control px-3 py-2 text-base', colors, className)}
    >
      <Icon aria-hidden size={16} className="shrink-0" />
      <div className="min-w-0 grow basis-0">{children}</div>
      {actions}
    </div>
  )
}
