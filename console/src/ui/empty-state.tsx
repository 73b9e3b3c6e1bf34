import type { ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

/** Says that there is nothing, why, and what can be done about it. */
export function EmptyState({
  icon,
  title,
  children,
  actions,
  className,
}: {
  icon?: ReactNode
  title: ReactNode
  children?: ReactNode
  actions?: ReactNode
  className?: string
}) {
  return (
    <div className={classNames('mx-auto flex max-w-md flex-col items-center gap-2 px-6 py-12 text-center', className)}>
      {icon !== undefined && <div className="mb-1 text-faint">{icon}</div>}
      <p className="text-md font-semibold">{title}</p>
      {children !== undefined && <div className="text-base text-muted">{children}</div>}
      {actions !== undefined && <div className="mt-3 flex flex-wrap justify-center gap-2">{actions}</div>}
    </div>
  )
}
