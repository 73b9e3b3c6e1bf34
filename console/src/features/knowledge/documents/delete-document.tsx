import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { deleteDocument, KNOWLEDGE_KEY } from '@/api/knowledge'
import type { DocumentInfo } from '@/api/schemas/knowledge'
import { ConfirmDialog } from '@/ui/confirm-dialog'
import { FailureNotice } from '@/ui/failure-notice'
import { toast } from '@/ui/toast'
import { isUpload } from './origin'

/** Asks whether a document is to go, and lets it go. */
export function DeleteDocument({
  document,
  onClose,
  onDeleted,
}: {
  document: DocumentInfo
  onClose: () => void
  onDeleted?: () => void
}) {
  const t = useTranslations('knowledge.delete')
  const queries = useQueryClient()
  const deletion = useMutation({
    mutationFn: async () => {
      try {
        await deleteDocument(document.id)
      } catch (error) {
        // Somebody else was quicker: it is gone, as was wanted.
        if (asApiError(error).code !== 'NOT_FOUND') throw error
      }
    },
    onSuccess: () => {
      toast(t('done', { title: document.title }))
      onClose()
      onDeleted?.()
      queries.removeQueries({ queryKey: [...KNOWLEDGE_KEY, 'document', document.id] })
      void queries.invalidateQueries({ queryKey: KNOWLEDGE_KEY })
    },
  })
  return (
    <ConfirmDialog
      isOpen
      onClose={onClose}
      onConfirm={() => deletion.mutate()}
      isBusy={deletion.isPending}
      title={t('title', { title: document.title })}
      description={isUpload(document) ? t('description') : t('descriptionFolder', { root: document.root })}
      confirmLabel={t('confirm')}
    >
      {deletion.error && <FailureNotice error={deletion.error} />}
    </ConfirmDialog>
  )
}
