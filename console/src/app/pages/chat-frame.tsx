import { CircleHelp, MessageSquarePlus, PanelLeft, PanelRight } from 'lucide-react'
import { useEffect, useRef, useState, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { showHelp } from '@/app/shell/help'
import { useShortcuts } from '@/app/shell/shortcuts'
import { classNames } from '@/lib/class-names'
import { useMediaQuery } from '@/lib/use-media-query'
import { IconButton } from '@/ui/button'
import { SidePanel, usePanel } from '@/ui/side-panel'

const TABS = ['start', 'middle', 'log'] as const
type Tab = (typeof TABS)[number]

/** Three panels side by side; on a phone three tabs that are swiped. */
export function ChatFrame({ header, start, log, children, onNewChat, onFocusComposer }: {
  header: (buttons: ReactNode) => ReactNode
  start: ReactNode
  log: ReactNode
  children: ReactNode
  onNewChat: () => void
  onFocusComposer: () => void
}) {
  const t = useTranslations('chat')
  const isNarrow = useMediaQuery('(max-width: 767px)')
  const isWide = useMediaQuery('(min-width: 1200px)')
  const [startPanel, changeStart] = usePanel('agents', { isOpen: true, width: 264 })
  const [logPanel, changeLog] = usePanel('log', { isOpen: isWide, width: 380 })
  const [tab, setTab] = useState<Tab>('middle')

  useShortcuts({
    n: onNewChat,
    '/': () => {
      setTab('middle')
      onFocusComposer()
    },
    '[': () => changeStart({ isOpen: !startPanel.isOpen }),
    ']': () => changeLog({ isOpen: !logPanel.isOpen }),
  })

  const buttons = (
    <>
      <IconButton label={t('newChat')} onClick={onNewChat}>
        <MessageSquarePlus aria-hidden size={18} />
      </IconButton>
      <IconButton label={t('help')} onClick={showHelp} className="pointer-coarse:hidden">
        <CircleHelp aria-hidden size={18} />
      </IconButton>
      {!isNarrow && (
        <>
          <IconButton
            label={startPanel.isOpen ? t('hideAgents') : t('showAgents')}
            aria-expanded={startPanel.isOpen}
            aria-controls="agents-panel"
            onClick={() => changeStart({ isOpen: !startPanel.isOpen })}
          >
            <PanelLeft aria-hidden size={18} />
          </IconButton>
          <IconButton
            label={logPanel.isOpen ? t('hideLog') : t('showLog')}
            aria-expanded={logPanel.isOpen}
            aria-controls="log-panel"
            onClick={() => changeLog({ isOpen: !logPanel.isOpen })}
          >
            <PanelRight aria-hidden size={18} />
          </IconButton>
        </>
      )}
    </>
  )
  if (isNarrow) {
    const contents = { start, middle: children, log }
    return (
      <div className="flex h-full flex-col">
        {header(buttons)}
        <SwipeTabs label={t('panels')} tab={tab} onTab={setTab} names={{ start: t('agents'), middle: t('conversation'), log: t('log') }} contents={contents} />
      </div>
    )
  }
  return (
    <div className="flex h-full">
      <SidePanel
        id="agents-panel"
        side="start"
        state={startPanel}
        onChange={changeStart}
        label={t('agentsAndSessions')}
        resizeLabel={t('resizeAgents')}
        widthMax={420}
      >
        {start}
      </SidePanel>
      <div className="flex min-h-0 min-w-0 grow flex-col">
        {header(buttons)}
        {children}
      </div>
      <SidePanel
        id="log-panel"
        side="end"
        state={logPanel}
        onChange={changeLog}
        label={t('log')}
        resizeLabel={t('resizeLog')}
        widthMin={280}
        widthMax={720}
      >
        <h2 className="flex h-12 shrink-0 items-center px-3 text-sm font-semibold">{t('log')}</h2>
        {log}
      </SidePanel>
    </div>
  )
}

/** The browser scrolls from tab to tab as a finger wants it, and says where it has come to rest. */
function SwipeTabs({ label, tab, onTab, names, contents }: {
  label: string
  tab: Tab
  onTab: (tab: Tab) => void
  names: Record<Tab, string>
  contents: Record<Tab, ReactNode>
}) {
  const scroller = useRef<HTMLDivElement>(null)
  // Those beside it are there as soon as a finger is, so that it swipes to something.
  const [isTouched, setTouched] = useState(false)
  useEffect(() => {
    const element = scroller.current
    if (!element) return
    const left = TABS.indexOf(tab) * element.clientWidth
    if (Math.abs(element.scrollLeft - left) > 1) element.scrollTo({ left, behavior: 'instant' })
  }, [tab])
  return (
    <>
      <div
        role="tablist"
        aria-label={label}
        tabIndex={-1}
        onKeyDown={(event) => {
          const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
          const next = TABS[TABS.indexOf(tab) + step]
          if (step === 0 || !next) return
          onTab(next)
          document.getElementById(`tab-${next}`)?.focus()
        }}
        className="flex shrink-0 border-b border-line bg-surface"
      >
        {TABS.map((name) => (
          <button
            key={name}
            id={`tab-${name}`}
            type="button"
            role="tab"
            aria-selected={tab === name}
            aria-controls={`panel-${name}`}
            tabIndex={tab === name ? 0 : -1}
            onClick={() => onTab(name)}
            className={classNames(
              'h-10 grow border-b-2 text-sm font-medium -outline-offset-2',
              tab === name ? 'border-accent text-text' : 'border-transparent text-muted',
            )}
          >
            {names[name]}
          </button>
        ))}
      </div>
      <div
        ref={scroller}
        onPointerDown={() => setTouched(true)}
        onScroll={(event) => {
          const { scrollLeft, clientWidth } = event.currentTarget
          const place = scrollLeft / Math.max(1, clientWidth)
          const at = TABS[Math.round(place)]
          if (at && at !== tab && Math.abs(place - Math.round(place)) < 0.02) onTab(at)
        }}
        className="flex min-h-0 grow snap-x snap-mandatory overflow-x-auto overflow-y-hidden [scrollbar-width:none]"
      >
        {TABS.map((name) => (
          <div
            key={name}
            id={`panel-${name}`}
            role="tabpanel"
            aria-labelledby={`tab-${name}`}
            inert={tab !== name}
            // Positioned, so that what is positioned in it scrolls with it and does not widen the page.
            className="relative flex h-full w-full shrink-0 snap-center snap-always flex-col overflow-y-auto pt-2"
          >
            {(isTouched || name === tab) && contents[name]}
          </div>
        ))}
      </div>
    </>
  )
}
