import type { ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { Button } from './button'
import { Dialog } from './dialog'

/** Asks before something is done that cannot be undone. */
export function ConfirmDialog({
  isOpen,
  onClose,
  onConfirm,
  title,
  description,
  confirmLabel,
  isBusy = false,
  children,
}: {
  isOpen: boolean
  onClose: () => void
  onConfirm: () => void
  title: ReactNode
  description: ReactNode
  confirmLabel: string
  isBusy?: boolean
  children?: ReactNode
}) {
  const t = useTranslations('common')
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title={title}
      description={description}
      footer={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button tone="danger" isBusy={isBusy} onClick={onConfirm}>
            {confirmLabel}
          </Button>
        </>
      }
    >
      {children}
    </Dialog>
  )
}
