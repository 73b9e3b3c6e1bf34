import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import { KNOWLEDGE_KEY } from '@/api/knowledge'
import type { DocumentInfo } from '@/api/schemas/knowledge'
import { uploadDocument } from '@/api/upload'
import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { FailureNotice } from '@/ui/failure-notice'
import { Field, Input } from '@/ui/field'
import { Progress } from '@/ui/meter'
import { Notice } from '@/ui/notice'
import { toast } from '@/ui/toast'
import { outcome } from '../upload/queue'
import { extension } from './origin'

/** Puts another file at the place of a document: it keeps its id, its path and the links to it. */
export function ReplaceDocument({ document, onClose }: { document: DocumentInfo; onClose: () => void }) {
  const t = useTranslations('knowledge.replace')
  const queries = useQueryClient()
  const [file, setFile] = useState<File>()
  const [share, setShare] = useState(0)
  const abort = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => abort.current?.abort(), [])
  const wanted = extension(document.path)
  const isOtherKind = file !== undefined && extension(file.name) !== wanted

  const replacing = useMutation({
    mutationFn: async (chosen: File) => {
      abort.current = new AbortController()
      const report = await uploadDocument(
        { collection: document.collection, path: document.path, file: chosen },
        { signal: abort.current.signal, onProgress: setShare },
      )
      return outcome(report)
    },
    onSuccess: (state) => {
      void queries.invalidateQueries({ queryKey: KNOWLEDGE_KEY })
      if (state.kind !== 'taken' || state.remarks.length > 0) return
      toast(state.as === 'unchanged' ? t('unchanged') : t('done', { title: document.title }))
      onClose()
    },
  })
  const { data } = replacing
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t('title', { title: document.title })}
      description={t('description', { path: document.path })}
      footer={
        <>
          <Button onClick={onClose}>{t('close')}</Button>
          <Button
            tone="primary"
            disabled={file === undefined || isOtherKind}
            isBusy={replacing.isPending}
            onClick={() => {
              if (file) replacing.mutate(file)
            }}
          >
            {t('confirm')}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3 pt-1">
        <Field
          label={t('file')}
          hint={t('hint', { extension: wanted })}
          error={isOtherKind ? t('otherKind', { extension: wanted }) : undefined}
        >
          {(control) => (
            <Input
              {...control}
              type="file"
              accept={wanted}
              className="py-1 file:mr-2 file:rounded-control file:border-0 file:bg-hover file:px-2 file:py-0.5 file:text-text"
              onChange={(event) => {
                replacing.reset()
                setFile(event.target.files?.[0])
              }}
            />
          )}
        </Field>
        {replacing.isPending &&
          (share < 1 ? <Progress value={share} label={t('sending')} /> : <Progress label={t('reading')} />)}
        {replacing.error && <FailureNotice error={replacing.error} />}
        {data?.kind === 'refused' && (
          <Notice tone="danger" isLive>
            {data.reasons.join(' · ')}
          </Notice>
        )}
        {data?.kind === 'taken' && data.remarks.length > 0 && (
          <Notice tone="warning" isLive>
            {t('partly')} {data.remarks.join(' · ')}
          </Notice>
        )}
      </div>
    </Dialog>
  )
}
