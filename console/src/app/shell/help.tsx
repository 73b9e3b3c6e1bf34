import { lazy, Suspense } from 'react'
import { useShortcuts } from '@/app/shell/shortcuts'
import { createStore, useStore } from '@/lib/store'

const HelpDialog = lazy(() => import('@/app/shell/help-dialog').then((module) => ({ default: module.HelpDialog })))

const isShown = createStore(false)

export function showHelp(): void {
  isShown.set(true)
}

/** The sheet of keys, on every page. */
export function Help() {
  useShortcuts({ '?': showHelp })
  return useStore(isShown) ? (
    <Suspense>
      <HelpDialog onClose={() => isShown.set(false)} />
    </Suspense>
  ) : null
}
