import type { ComponentProps, ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

/** A table that scrolls by itself where it is too wide; `caption` names it. */
export function Table({ caption, isCaptionHidden = true, children, className }: {
  caption: ReactNode
  isCaptionHidden?: boolean
  children: ReactNode
  className?: string
}) {
  return (
    <div className={classNames('overflow-auto', className)}>
      <table className="w-full border-collapse text-left text-base">
        <caption className={isCaptionHidden ? 'sr-only' : 'pb-2 text-left text-sm text-muted'}>{caption}</caption>
        {children}
      </table>
    </div>
  )
}

export function HeadCell({ className, ...props }: ComponentProps<'th'>) {
  return (
    <th scope="col" {...props} className={classNames('border-b border-line px-3 py-2 text-xs font-medium whitespace-nowrap text-muted', className)} />
  )
}

export function Cell({ isNumber = false, className, ...props }: ComponentProps<'td'> & { isNumber?: boolean }) {
  return (
    <td {...props} className={classNames('border-b border-line px-3 py-2 align-top', isNumber && 'text-right tabular-nums', className)} />
  )
}
