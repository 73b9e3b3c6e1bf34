import { Check } from 'lucide-react'
import { DropdownMenu as Radix } from 'radix-ui'
import type { ReactElement, ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

const ITEM =
  'relative flex min-h-8 cursor-pointer items-center gap-2 rounded-[0.375rem] px-2 text-base outline-none select-none data-[disabled]:cursor-not-allowed data-[disabled]:opacity-50 data-[highlighted]:bg-hover'

/** A menu on a button. Not modal: a modal one locks scrolling by an injected style, which the content policy forbids. */
export function Menu({
  trigger,
  align = 'end',
  isOpenAtFirst = false,
  children,
}: {
  trigger: ReactElement
  isOpenAtFirst?: boolean
  align?: 'start' | 'end'
  children: ReactNode
}) {
  return (
    <Radix.Root modal={false} defaultOpen={isOpenAtFirst}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className="z-50 max-h-[var(--radix-dropdown-menu-content-available-height)] min-w-44 animate-appear overflow-auto rounded-card border border-line bg-raised p-1 text-text shadow-overlay"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

export function MenuItem({
  icon,
  onSelect,
  isDisabled = false,
  isDangerous = false,
  children,
}: {
  icon?: ReactNode
  onSelect: () => void
  isDisabled?: boolean
  isDangerous?: boolean
  children: ReactNode
}) {
  return (
    <Radix.Item onSelect={onSelect} disabled={isDisabled} className={classNames(ITEM, isDangerous && 'text-danger')}>
      {icon}
      {children}
    </Radix.Item>
  )
}

/** One of several; the menu stays open, so that its effect can be seen. */
export function MenuChoice<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: T
  options: readonly { value: T; label: ReactNode }[]
  onChange: (value: T) => void
}) {
  return (
    <Radix.Group>
      <Radix.Label className="px-2 pt-2 pb-1 text-xs font-medium text-muted">{label}</Radix.Label>
      <Radix.RadioGroup
        value={value}
        aria-label={label}
        onValueChange={(next) => {
          const found = options.find((option) => option.value === next)
          if (found) onChange(found.value)
        }}
      >
        {options.map((option) => (
          <Radix.RadioItem
            key={option.value}
            value={option.value}
            onSelect={(event) => event.preventDefault()}
            className={classNames(ITEM, 'pl-7')}
          >
            <Radix.ItemIndicator className="absolute left-2">
              <Check aria-hidden size={14} />
            </Radix.ItemIndicator>
            {option.label}
          </Radix.RadioItem>
        ))}
      </Radix.RadioGroup>
    </Radix.Group>
  )
}

export function MenuSeparator() {
  return <Radix.Separator className="my-1 h-px bg-line" />
}
