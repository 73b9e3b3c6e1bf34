import { Settings2 } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { useTranslations } from 'use-intl'
import { IconButton } from '@/ui/button'

const load = () => import('@/app/shell/settings-menu')
const SettingsMenu = lazy(() => load().then((module) => ({ default: module.SettingsMenu })))

/** A menu brings its own code for placing it, 30 KiB: it is loaded when somebody reaches for it. */
export function SettingsButton() {
  const t = useTranslations('shell')
  const [isWanted, setWanted] = useState(false)
  // What cannot be loaded is tried again, and told, by the click.
  const prepare = () => void load().catch(() => undefined)
  const button = (
    <IconButton
      label={t('settings')}
      aria-haspopup="menu"
      aria-expanded={false}
      onPointerEnter={prepare}
      onFocus={prepare}
      onClick={() => setWanted(true)}
    >
      <Settings2 aria-hidden size={18} />
    </IconButton>
  )
  return isWanted ? (
    <Suspense fallback={button}>
      <SettingsMenu />
    </Suspense>
  ) : (
    button
  )
}
