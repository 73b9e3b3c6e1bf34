import { lazy, Suspense, useState } from 'react'
import { useTranslations } from 'use-intl'
import type { Agent } from '@/api/generated/wire'
import type { Turn } from '@/api/socket/view'
import { Dialog } from '@/ui/dialog'
import { Skeleton } from '@/ui/skeleton'
import { Tabs } from '@/ui/tabs'
import { Waterfall } from './waterfall'

const TurnGraph = lazy(() => import('./turn-graph'))

/** One turn as a whole: as a graph of who did what, and as a waterfall of when. */
export function TurnDialog({ turn, agents, onClose }: { turn: Turn | undefined; agents: readonly Agent[]; onClose: () => void }) {
  const t = useTranslations('log')
  const [tab, setTab] = useState('graph')
  if (!turn) return null
  return (
    <Dialog isOpen onClose={onClose} size="full" title={t('turn')} description={<bdi>{turn.question?.content.slice(0, 300)}</bdi>}>
      <Tabs
        label={t('turnViews')}
        value={tab}
        onChange={setTab}
        tabs={[
          {
            id: 'graph',
            label: t('graph'),
            content: (
              <div className="pt-3">
                <Suspense fallback={<Skeleton className="h-[60vh]" />}>
                  <TurnGraph turn={turn} agents={agents} />
                </Suspense>
              </div>
            ),
          },
          { id: 'waterfall', label: t('waterfall'), content: <div className="pt-3"><Waterfall turn={turn} agents={agents} /></div> },
        ]}
      />
    </Dialog>
  )
}
