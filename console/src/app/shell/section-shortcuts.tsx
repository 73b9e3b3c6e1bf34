import { useNavigate } from '@tanstack/react-router'
import { useRef } from 'react'
import { SECTIONS } from '@/app/shell/sections'
import { useShortcuts } from '@/app/shell/shortcuts'

const SEQUENCE_MS = 1_200

/** `g` and then a letter leads to a section. */
export function SectionShortcuts() {
  const navigate = useNavigate()
  const since = useRef(0)
  const go = (key: string) => () => {
    if (performance.now() - since.current > SEQUENCE_MS) return
    since.current = 0
    const entry = SECTIONS.find((section) => section.key === key)
    if (entry) void navigate({ to: entry.to })
  }
  useShortcuts({
    g: () => {
      since.current = performance.now()
    },
    ...Object.fromEntries(SECTIONS.map(({ key }) => [key, go(key)])),
  })
  return null
}
