import type { ComponentProps, ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

export function Card({ className, ...props }: ComponentProps<'section'>) {
  return <section {...props} className={classNames('rounded-card border border-line bg-surface shadow-card', className)} />
}

export function CardHeader({ title, description, children }: { title: ReactNode; description?: ReactNode; children?: ReactNode }) {
  return (
    <header className="flex items-start justify-between gap-3 px-4 pt-3.5 pb-2">
      <div className="min-w-0">
        <h2 className="text-base font-semibold">{title}</h2>
        {description !== undefined && <p className="mt-0.5 text-sm text-muted">{description}</p>}
      </div>
      {children}
    </header>
  )
}
