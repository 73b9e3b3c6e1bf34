import { Settings2 } from 'lucide-react'
import { useTranslations } from 'use-intl'
import { access, forgetToken } from '@/api/token'
import { choose, CONTRASTS, LANGUAGES, THEMES, usePreferences } from '@/lib/preferences'
import { useStore } from '@/lib/store'
import { IconButton } from '@/ui/button'
import { Menu, MenuChoice, MenuItem, MenuSeparator } from '@/ui/menu'

/** A language is named in its own words, so that it is found by who needs it. */
const LANGUAGE_NAMES = { en: 'English', de: 'Deutsch' }

/** Open from the start: somebody has asked for it. */
export function SettingsMenu() {
  const t = useTranslations('shell')
  const { theme, contrast, language } = usePreferences()
  const hasToken = useStore(access, (now) => now.token !== undefined)
  return (
    <Menu
      isOpenAtFirst
      trigger={
        <IconButton label={t('settings')}>
          <Settings2 aria-hidden size={18} />
        </IconButton>
      }
    >
      <MenuChoice
        label={t('theme')}
        value={theme}
        options={THEMES.map((value) => ({ value, label: t(`themes.${value}`) }))}
        onChange={(value) => choose({ theme: value })}
      />
      <MenuSeparator />
      <MenuChoice
        label={t('contrast')}
        value={contrast}
        options={CONTRASTS.map((value) => ({ value, label: t(`contrasts.${value}`) }))}
        onChange={(value) => choose({ contrast: value })}
      />
      <MenuSeparator />
      <MenuChoice
        label={t('language')}
        value={language}
        options={LANGUAGES.map((value) => ({ value, label: <span lang={value}>{LANGUAGE_NAMES[value]}</span> }))}
        onChange={(value) => choose({ language: value })}
      />
      {hasToken && (
        <>
          <MenuSeparator />
          <MenuItem onSelect={forgetToken}>{t('forgetToken')}</MenuItem>
        </>
      )}
    </Menu>
  )
}
