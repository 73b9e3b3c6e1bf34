import { useRef, useState, type ReactNode } from 'react'
import { classNames } from '@/lib/class-names'
import { readStored, writeStored } from '@/lib/storage'

type Side = 'start' | 'end'
export type PanelState = { isOpen: boolean; width: number }

/** The state of a panel, remembered in this browser under `id`. */
export function usePanel(id: string, initial: PanelState): [PanelState, (change: Partial<PanelState>) => void] {
  const key = `orchestratai.panel.${id}`
  const [state, setState] = useState<PanelState>(() => {
    const [open, width] = (readStored('local', key) ?? '').split(' ')
    return {
      isOpen: open === undefined || open === '' ? initial.isOpen : open === 'open',
      width: Number(width) > 0 ? Number(width) : initial.width,
    }
  })
  const change = (next: Partial<PanelState>) => {
    const whole = { ...state, ...next }
    setState(whole)
    writeStored('local', key, `${whole.isOpen ? 'open' : 'closed'} ${Math.round(whole.width)}`)
  }
  return [state, change]
}

/**
 * A panel beside the main thing. Closed, it is gone from view and from the order of focus. Its edge is dragged, or moved by
 * the arrow keys.
 */
export function SidePanel({
  id,
  side,
  state,
  onChange,
  label,
  resizeLabel,
  widthMin = 200,
  widthMax = 640,
  children,
}: {
  id: string
  side: Side
  state: PanelState
  onChange: (change: Partial<PanelState>) => void
  label: string
  resizeLabel: string
  widthMin?: number
  widthMax?: number
  children: ReactNode
}) {
  const dragged = useRef<{ x: number; width: number } | undefined>(undefined)
  const direction = side === 'start' ? 1 : -1
  const within = (width: number) => Math.min(widthMax, Math.max(widthMin, width))
  if (!state.isOpen) return null
  const edge = (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="separator"
      aria-orientation="vertical"
      aria-label={resizeLabel}
      aria-controls={id}
      aria-valuemin={widthMin}
      aria-valuemax={widthMax}
      aria-valuenow={Math.round(state.width)}
      // A separator that can be moved takes the focus (ARIA 1.2, window splitter).
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        dragged.current = { x: event.clientX, width: state.width }
      }}
      onPointerMove={(event) => {
        const start = dragged.current
        if (start) onChange({ width: within(start.width + direction * (event.clientX - start.x)) })
      }}
      onPointerUp={() => {
        dragged.current = undefined
      }}
      onKeyDown={(event) => {
        const step = event.shiftKey ? 64 : 16
        const moves: Record<string, number> = { ArrowLeft: -step * direction, ArrowRight: step * direction }
        const move = moves[event.key]
        if (event.key === 'Home') onChange({ width: widthMin })
        else if (event.key === 'End') onChange({ width: widthMax })
        else if (move !== undefined) onChange({ width: within(state.width + move) })
        else return
        event.preventDefault()
      }}
      className="relative z-10 -mx-1 w-2 shrink-0 cursor-col-resize touch-none outline-offset-0 before:absolute before:inset-y-0 before:left-1/2 before:w-px before:-translate-x-1/2 before:bg-line hover:before:w-0.5 hover:before:bg-accent focus-visible:before:w-0.5 focus-visible:before:bg-focus"
    />
  )
  return (
    <>
      {side === 'end' && edge}
      <aside
        id={id}
        aria-label={label}
        className={classNames('flex min-h-0 shrink-0 flex-col bg-surface')}
        style={{ width: within(state.width) }}
      >
        {children}
      </aside>
      {side === 'start' && edge}
    </>
  )
}
