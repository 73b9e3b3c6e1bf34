import type { ComponentProps, ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

export type ButtonProps = ComponentProps<'button'> & {
  /** What kind of step it is: the one that is expected, one of several, one that is quiet, one that destroys. */
  tone?: 'primary' | 'secondary' | 'quiet' | 'danger'
  size?: 'normal' | 'small'
  icon?: ReactNode
  /** Work is under way: it cannot be pressed again, and says so. */
  isBusy?: boolean
}

const TONES = {
  primary: 'bg-accent text-on-accent hover:bg-accent-hover',
  secondary: 'border border-line bg-raised text-text hover:bg-hover',
  quiet: 'text-muted hover:bg-hover hover:text-text',
  danger: 'bg-danger-solid text-on-accent hover:opacity-90',
}
const SIZES = {
  normal: 'h-control px-3 text-base gap-2',
  small: 'h-control-small px-2 text-sm gap-1.5',
}

export function Button({ tone = 'secondary', size = 'normal', icon, isBusy, className, children, ...props }: ButtonProps) {
  return (
    <button
      type="button"
      {...props}
      aria-busy={isBusy ?? undefined}
      disabled={props.disabled === true || isBusy === true}
      className={classNames(
        'inline-flex shrink-0 items-center justify-center rounded-control font-medium whitespace-nowrap transition-colors select-none disabled:opacity-50',
        TONES[tone],
        SIZES[size],
        className,
      )}
    >
      {icon}
      {children}
    </button>
  )
}

/** A button with a picture alone; `label` is its name for those who do not see it, and its tooltip. */
export function IconButton({
  label,
  size = 'normal',
  tone = 'quiet',
  className,
  children,
  ...props
}: Omit<ButtonProps, 'icon' | 'isBusy'> & { label: string }) {
  return (
    <Button
      {...props}
      tone={tone}
      size={size}
      aria-label={label}
      title={label}
      className={classNames('px-0!', size === 'normal' ? 'w-control' : 'w-control-small', className)}
    >
      {children}
    </Button>
  )
}
