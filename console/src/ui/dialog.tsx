import { X } from 'lucide-react'
import { useEffect, useId, useRef, useState, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { classNames } from '@/lib/class-names'
import { IconButton } from './button'

/**
 * A modal dialog: the browser's own, which keeps the focus in, gives it back, closes on Escape, and injects no style (as the
 * content security policy wants it).
 */
export function Dialog({
  isOpen,
  onClose,
  title,
  description,
  size = 'normal',
  footer,
  children,
}: {
  isOpen: boolean
  onClose: () => void
  title: ReactNode
  description?: ReactNode
  size?: 'normal' | 'wide' | 'full'
  footer?: ReactNode
  children?: ReactNode
}) {
  const ref = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  const descriptionId = useId()
  const t = useTranslations('common')
  // What is in it may measure itself, so it comes once there is room for it.
  const [isShown, setShown] = useState(false)
  const body = useRef<HTMLDivElement>(null)

  useEffect(() => {
    const dialog = ref.current
    if (!dialog || !isOpen) return
    const before = document.activeElement
    if (!dialog.open) dialog.showModal()
    setShown(true)
    return () => {
      setShown(false)
      if (dialog.open) dialog.close()
      // The element may be gone with what the dialog did; the browser then keeps the focus on the page.
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [isOpen])

  useEffect(() => {
    // Who opened a form wants to fill it in, not to close it.
    if (isShown) body.current?.querySelector<HTMLElement>('input, textarea, select')?.focus()
  }, [isShown])

  if (!isOpen) return null
  return (
    // A press on the backdrop lands on the dialog itself. Escape is the keyboard's way, and the browser knows it.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      aria-describedby={description === undefined ? undefined : descriptionId}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose()
      }}
      className={classNames(
        'm-auto max-h-[calc(100dvh-2rem)] w-[calc(100vw-2rem)] overflow-hidden rounded-card border border-line bg-raised p-0 text-text shadow-overlay open:flex open:animate-appear',
        { normal: 'max-w-lg', wide: 'max-w-3xl', full: 'h-full max-w-6xl' }[size],
      )}
    >
      <div className="flex min-h-0 w-full flex-col">
        <header className="flex items-start gap-3 px-5 pt-4 pb-2">
          <div className="min-w-0 grow">
            <h2 id={titleId} className="text-lg font-semibold break-words">
              {title}
            </h2>
            {description !== undefined && (
              <p id={descriptionId} className="mt-1 text-base text-muted">
                {description}
              </p>
            )}
          </div>
          <IconButton label={t('close')} size="small" onClick={onClose}>
            <X aria-hidden size={16} />
          </IconButton>
        </header>
        <div ref={body} className="min-h-0 grow overflow-auto px-5 pb-4">
          {isShown && children}
        </div>
        {footer !== undefined && (
          <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3">{footer}</footer>
        )}
      </div>
    </dialog>
  )
}
