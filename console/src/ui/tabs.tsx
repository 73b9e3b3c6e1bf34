import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { classNames } from '@/lib/class-names'

export type Tab = { id: string; label: ReactNode; content: ReactNode }

export function Tabs({
  tabs,
  value,
  onChange,
  label,
  className,
}: {
  tabs: Tab[]
  value: string
  onChange: (id: string) => void
  /** Names the list of tabs. */
  label: string
  className?: string
}) {
  return (
    <Radix.Root value={value} onValueChange={onChange} className={classNames('flex min-h-0 flex-col', className)}>
      <Radix.List aria-label={label} className="flex shrink-0 gap-1 overflow-x-auto border-b border-line px-1">
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.id}
            value={tab.id}
            className="-mb-px h-9 shrink-0 border-b-2 border-transparent px-2.5 text-base font-medium text-muted -outline-offset-2 hover:text-text data-[state=active]:border-accent data-[state=active]:text-text"
          >
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.id} value={tab.id} className="min-h-0 grow overflow-auto -outline-offset-2">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  )
}
