import { useId, type ComponentProps, type ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

const CONTROL =
  'w-full rounded-control border border-line bg-surface px-2.5 text-base text-text placeholder:text-faint hover:border-line-strong disabled:opacity-60 aria-[invalid=true]:border-danger'

/** A label, its control, what helps to fill it in, and what is wrong with it. */
export function Field({
  label,
  hint,
  error,
  isLabelHidden = false,
  className,
  children,
}: {
  label: ReactNode
  hint?: ReactNode
  error?: ReactNode
  isLabelHidden?: boolean
  className?: string
  children: (control: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean }) => ReactNode
}) {
  const id = useId()
  const hasError = error !== undefined && error !== null && error !== ''
  const describedBy = [hint !== undefined && `${id}-hint`, hasError && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div className={classNames('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={isLabelHidden ? 'sr-only' : 'text-sm font-medium'}>
        {label}
      </label>
      {children({ id, 'aria-describedby': describedBy || undefined, 'aria-invalid': hasError })}
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-sm text-muted">
          {hint}
        </p>
      )}
      {hasError && (
        <p id={`${id}-error`} role="alert" className="text-sm text-danger">
          {error}
        </p>
      )}
    </div>
  )
}

export function Input({ className, ...props }: ComponentProps<'input'>) {
  return <input {...props} className={classNames(CONTROL, 'h-control', className)} />
}

export function TextArea({ className, ...props }: ComponentProps<'textarea'>) {
  return <textarea {...props} className={classNames(CONTROL, 'min-h-20 py-1.5', className)} />
}

/** The browser's own list: known to every assistive technology, and the right one on a phone. */
export function Select<T extends string>({
  options,
  value,
  onChange,
  className,
  ...props
}: Omit<ComponentProps<'select'>, 'value' | 'onChange'> & {
  options: readonly { value: T; label: string }[]
  value: T
  onChange: (value: T) => void
}) {
  return (
    <select
      {...props}
      value={value}
      onChange={(event) => {
        const found = options.find((option) => option.value === event.target.value)
        if (found) onChange(found.value)
      }}
      className={classNames(CONTROL, 'h-control pr-7', className)}
    >
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  )
}
