import { Outlet } from '@tanstack/react-router'
import { Suspense } from 'react'
import { useTranslations } from 'use-intl'
import { ConnectionState } from '@/app/shell/connection-state'
import { Help } from '@/app/shell/help'
import { Navigation } from '@/app/shell/navigation'
import { RouteAnnouncer } from '@/app/shell/route-announcer'
import { SectionShortcuts } from '@/app/shell/section-shortcuts'
import { SettingsButton } from '@/app/shell/settings-button'
import { TokenPrompt } from '@/app/shell/token-prompt'
import { ToastRegion } from '@/ui/toast'
import logo from '@/../public/favicon.svg?inline'

/** What stands around every page. */
export function Shell() {
  const t = useTranslations('shell')
  return (
    <div className="flex h-full flex-col">
      <a
        href="#main"
        className="sr-only z-50 rounded-control bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:absolute focus:top-2 focus:left-2"
      >
        {t('skipToContent')}
      </a>
      <header className="flex h-bar shrink-0 items-center gap-2.5 border-b border-line bg-surface pr-2 pl-4">
        <img src={logo} alt="" width={22} height={22} />
        <span className="font-semibold">OrchestratAI</span>
        <span className="grow" />
        <ConnectionState />
        <SettingsButton />
      </header>
      <div className="flex min-h-0 grow flex-col-reverse sm:flex-row">
        <Navigation />
        <main id="main" tabIndex={-1} className="min-h-0 min-w-0 grow outline-none">
          <Suspense fallback={<div aria-busy className="h-full" />}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <RouteAnnouncer />
      <SectionShortcuts />
      <Help />
      <ToastRegion />
      <TokenPrompt />
    </div>
  )
}
