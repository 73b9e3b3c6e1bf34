import { useTranslations } from 'use-intl'
import { Button } from '@/ui/button'
import { Progress } from '@/ui/meter'
import { summary } from './queue'
import { useUploads } from './run'

/** Says that an upload goes on while its dialog is closed, and leads back to it. */
export function UploadState({ onShow }: { onShow: () => void }) {
  const t = useTranslations('knowledge.upload')
  const { all, done, wrong, isUnderWay } = summary(useUploads())
  if (!isUnderWay && wrong === 0) return null
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-control border border-line bg-surface px-3 py-2 text-base shadow-card">
      <span>{isUnderWay ? t('underWay', { done, all }) : t('ended', { wrong })}</span>
      {isUnderWay && <Progress value={all === 0 ? 0 : done / all} label={t('progress')} className="min-w-24 grow" />}
      <Button size="small" onClick={onShow}>
        {t('show')}
      </Button>
    </div>
  )
}
