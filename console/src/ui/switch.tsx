import type { ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

export function Switch({
  isOn,
  onChange,
  isDisabled = false,
  children,
}: {
  isOn: boolean
  onChange: (isOn: boolean) => void
  isDisabled?: boolean
  /** Its name. */
  children: ReactNode
}) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={isOn}
      disabled={isDisabled}
      onClick={() => onChange(!isOn)}
      className="inline-flex min-h-6 items-center gap-2 rounded-control text-base disabled:opacity-50"
    >
      <span
        aria-hidden
        className={classNames(
          'inline-flex h-5 w-9 shrink-0 items-center rounded-full border p-0.5 transition-colors',
          isOn ? 'border-accent bg-accent' : 'border-line-strong bg-sunken',
        )}
      >
        <span className={classNames('size-3.5 rounded-full transition-transform', isOn ? 'translate-x-4 bg-on-accent' : 'bg-muted')} />
      </span>
      {children}
    </button>
  )
}
