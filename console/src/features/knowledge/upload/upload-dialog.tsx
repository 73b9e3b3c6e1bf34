import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { collectionsQuery, KNOWLEDGE_KEY } from '@/api/knowledge'
import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { CollectionField, isCollectionName } from './collection-field'
import type { ChosenFile } from './dropped-files'
import { FileChooser } from './file-chooser'
import { FileList } from './file-list'
import { summary } from './queue'
import { change, run, useUploads } from './run'

/** Chooses files and a collection, takes them in, and says of each what became of it. */
export function UploadDialog({
  dropped,
  collection: suggested,
  onClose,
}: {
  dropped: ChosenFile[]
  collection: string | undefined
  onClose: () => void
}) {
  const t = useTranslations('knowledge.upload')
  const queries = useQueryClient()
  const { data: collections = [] } = useQuery(collectionsQuery)
  const uploads = useUploads()
  const { all, done, taken, wrong, isUnderWay } = summary(uploads)
  const [named, setNamed] = useState(suggested)
  const collection = named ?? collections[0]?.name ?? ''
  const [chosen, setChosen] = useState<ChosenFile[]>(dropped)
  const canBegin = chosen.length > 0 && isCollectionName(collection)
  const canTryAgain = uploads.files.some(({ state }) => state.kind === 'failed' || state.kind === 'stopped')

  const go = () => void run(() => void queries.invalidateQueries({ queryKey: KNOWLEDGE_KEY }))
  const begin = () => {
    change({ type: 'add', collection, files: chosen })
    setChosen([])
    go()
  }
  return (
    <Dialog
      isOpen
      onClose={() => {
        if (!isUnderWay) change({ type: 'clear' })
        onClose()
      }}
      size="wide"
      title={t('title')}
      description={t('description')}
      footer={
        <>
          {isUnderWay && <Button onClick={() => change({ type: 'stop' })}>{t('stop')}</Button>}
          {!isUnderWay && canTryAgain && (
            <Button
              onClick={() => {
                change({ type: 'again' })
                go()
              }}
            >
              {t('again')}
            </Button>
          )}
          <Button
            onClick={() => {
              if (!isUnderWay) change({ type: 'clear' })
              onClose()
            }}
          >
            {isUnderWay ? t('hide') : t('close')}
          </Button>
          <Button tone="primary" disabled={!canBegin} onClick={begin}>
            {t('begin', { count: chosen.length })}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4 pt-1">
        <CollectionField collections={collections.map(({ name }) => name)} value={collection} onChange={setNamed} />
        <FileChooser
          onChoose={(files) =>
            setChosen((now) => [...now.filter((one) => !files.some(({ path }) => path === one.path)), ...files])
          }
        />
        <FileList
          chosen={chosen}
          uploads={uploads.files}
          onRemove={(path) => setChosen((now) => now.filter((one) => one.path !== path))}
        />
        <p role="status" className="text-sm text-muted">
          {all > 0 && (isUnderWay ? t('underWay', { done, all }) : t('summary', { taken, wrong }))}
        </p>
      </div>
    </Dialog>
  )
}
