import { classNames } from '@/lib/class-names'

/** Holds the place of what is loading. What loads says so itself, once, by `aria-busy`. */
export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={classNames('animate-pulse-soft rounded-control bg-hover', className)} />
}
