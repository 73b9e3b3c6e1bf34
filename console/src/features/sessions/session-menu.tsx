import { useMutation, useQueryClient } from '@tanstack/react-query'
import { BookUser, Download, Ellipsis, Pencil, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { deleteSession, exportSession, renameSession, SESSIONS_KEY } from '@/api/sessions'
import { saveFile } from '@/lib/save-file'
import { Button, IconButton } from '@/ui/button'
import { ConfirmDialog } from '@/ui/confirm-dialog'
import { Dialog } from '@/ui/dialog'
import { Field, Input } from '@/ui/field'
import { Menu, MenuItem, MenuSeparator } from '@/ui/menu'
import { toast } from '@/ui/toast'

const TITLE_MAX = 120

/** What can be done with a session as a whole. */
export function SessionMenu({ sessionId, title, onShowMemory, onDeleted }: {
  sessionId: string
  title: string | undefined
  /** Missing where nobody knows whose session it is. */
  onShowMemory: (() => void) | undefined
  onDeleted: () => void
}) {
  const t = useTranslations('sessions')
  const [dialog, setDialog] = useState<'rename' | 'delete'>()
  const queryClient = useQueryClient()
  const changed = () => queryClient.invalidateQueries({ queryKey: SESSIONS_KEY })
  const failed = (error: Error) => toast(error.message, { tone: 'danger' })
  const rename = useMutation({
    mutationFn: ({ id, next }: { id: string; next: string | null }) => renameSession(id, next),
    onSuccess: changed,
    onError: failed,
  })
  const erase = useMutation({
    mutationFn: deleteSession,
    onSuccess: async () => {
      setDialog(undefined)
      onDeleted()
      toast(t('deleted'))
      await changed()
    },
    onError: failed,
  })
  const save = useMutation({
    mutationFn: ({ id, format }: { id: string; format: 'markdown' | 'json' }) => exportSession(id, format),
    onSuccess: ({ name, content }) => saveFile(name, content),
    onError: failed,
  })
  return (
    <>
      <Menu
          trigger={
            <IconButton label={t('actions')}>
              <Ellipsis aria-hidden size={18} />
            </IconButton>
          }
        >
          <MenuItem icon={<Pencil aria-hidden size={15} />} onSelect={() => setDialog('rename')}>
            {t('rename')}
          </MenuItem>
          <MenuItem icon={<Download aria-hidden size={15} />} onSelect={() => save.mutate({ id: sessionId, format: 'markdown' })}>
            {t('exportMarkdown')}
          </MenuItem>
          <MenuItem icon={<Download aria-hidden size={15} />} onSelect={() => save.mutate({ id: sessionId, format: 'json' })}>
            {t('exportJson')}
          </MenuItem>
          {onShowMemory && (
            <MenuItem icon={<BookUser aria-hidden size={15} />} onSelect={onShowMemory}>
              {t('memory')}
            </MenuItem>
          )}
          <MenuSeparator />
          <MenuItem icon={<Trash2 aria-hidden size={15} />} isDangerous onSelect={() => setDialog('delete')}>
            {t('delete')}
          </MenuItem>
        </Menu>
      {dialog === 'rename' && (
        <RenameDialog
          initial={title ?? ''}
          onClose={() => setDialog(undefined)}
          onSave={(next) => {
            rename.mutate({ id: sessionId, next: next === '' ? null : next })
            setDialog(undefined)
          }}
        />
      )}
      <ConfirmDialog
          isOpen={dialog === 'delete'}
          onClose={() => setDialog(undefined)}
          onConfirm={() => erase.mutate(sessionId)}
          isBusy={erase.isPending}
          title={t('deleteTitle')}
          description={t('deleteHint')}
          confirmLabel={t('delete')}
        />
    </>
  )
}

function RenameDialog({ initial, onClose, onSave }: { initial: string; onClose: () => void; onSave: (title: string) => void }) {
  const t = useTranslations('sessions')
  const tCommon = useTranslations('common')
  const [text, setText] = useState(initial)
  return (
    <Dialog isOpen onClose={onClose} title={t('rename')}>
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          onSave(text.trim())
        }}
      >
        <Field label={t('titleLabel')} hint={t('titleHint')}>
          {(control) => <Input {...control} value={text} maxLength={TITLE_MAX} onChange={(event) => setText(event.target.value)} />}
        </Field>
        <Button type="submit" tone="primary" className="self-end">
          {tCommon('save')}
        </Button>
      </form>
    </Dialog>
  )
}
