import { X } from 'lucide-react'
import { useEffect, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { createStore, useStore } from '@/lib/store'
import { classNames } from '@/lib/class-names'
import { IconButton } from './button'

type Toast = { id: number; tone: 'info' | 'danger'; text: string; action?: { label: string; run: () => void } }

const SHOWN_MS = 6_000
const SHOWN_MAX = 4

const toasts = createStore<Toast[]>([])
let nextId = 1

/** Says in passing that something was done, or was not. What must be decided is a dialog; what stays is a notice. */
export function toast(text: string, more: { tone?: Toast['tone']; action?: Toast['action'] } = {}): void {
  const one: Toast = { id: nextId, tone: more.tone ?? 'info', text, ...(more.action ? { action: more.action } : {}) }
  nextId += 1
  toasts.set((now) => [...now, one].slice(-SHOWN_MAX))
}

function dismiss(id: number): void {
  toasts.set((now) => now.filter((one) => one.id !== id))
}

/** Where toasts appear, once on the page. */
export function ToastRegion() {
  const t = useTranslations('common')
  const shown = useStore(toasts)
  return (
    <section aria-label={t('notifications')} className="pointer-events-none fixed inset-x-0 bottom-0 z-50 flex flex-col items-center gap-2 p-4">
      <div role="status" aria-live="polite" className="contents">
        {shown.map((one) => (
          <ToastCard key={one.id} tone={one.tone} onDone={() => dismiss(one.id)}>
            <span className="min-w-0 grow break-words">{one.text}</span>
            {one.action && (
              <button
                type="button"
                className="min-h-6 rounded-control px-1 font-medium underline underline-offset-2"
                onClick={() => {
                  one.action?.run()
                  dismiss(one.id)
                }}
              >
                {one.action.label}
              </button>
            )}
            <IconButton label={t('dismiss')} size="small" onClick={() => dismiss(one.id)}>
              <X aria-hidden size={14} />
            </IconButton>
          </ToastCard>
        ))}
      </div>
    </section>
  )
}

function ToastCard({ tone, onDone, children }: { tone: Toast['tone']; onDone: () => void; children: ReactNode }) {
  useEffect(() => {
    const timer = setTimeout(onDone, SHOWN_MS)
    return () => clearTimeout(timer)
    // The time runs from when it appeared, whatever the parent renders.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [])
  return (
    <div
      className={classNames(
        'pointer-events-auto flex w-full max-w-md animate-appear items-center gap-2 rounded-card border bg-raised py-1.5 pr-1.5 pl-3 text-base shadow-overlay',
        tone === 'danger' ? 'border-danger text-danger' : 'border-line',
      )}
    >
      {children}
    </div>
  )
}
