import { FileUp, FolderUp } from 'lucide-react'
import { useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import { classNames } from '@/lib/class-names'
import { Button } from '@/ui/button'
import { droppedFiles, filesOf, type ChosenFile } from './dropped-files'

export const ACCEPTED = '.md,.markdown,.txt,.text,.html,.htm,.xhtml,.pdf,.docx'

/** Where files are dropped, or chosen by a button: whole folders too, with the paths in them. */
export function FileChooser({ onChoose }: { onChoose: (files: ChosenFile[]) => void }) {
  const t = useTranslations('knowledge.upload')
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const [isOver, setOver] = useState(false)
  const choose = (input: HTMLInputElement) => {
    onChoose(filesOf(input.files ?? []))
    // The same files chosen once more are chosen once more.
    input.value = ''
  }
  return (
    // Dropping is the pointer's way; the buttons in it are everybody's.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        event.stopPropagation()
        setOver(false)
        void droppedFiles(event.dataTransfer).then(onChoose)
      }}
      className={classNames(
        'flex flex-col items-center gap-3 rounded-card border border-dashed px-4 py-6 text-center',
        isOver ? 'border-accent bg-accent-soft' : 'border-line-strong bg-sunken',
      )}
    >
      <p className="text-base text-muted">{t('dropHere')}</p>
      <div className="flex flex-wrap justify-center gap-2">
        <Button icon={<FileUp aria-hidden size={16} />} onClick={() => files.current?.click()}>
          {t('chooseFiles')}
        </Button>
        <Button icon={<FolderUp aria-hidden size={16} />} onClick={() => folder.current?.click()}>
          {t('chooseFolder')}
        </Button>
      </div>
      <p className="text-sm text-muted">{t('kinds')}</p>
      <input
        ref={files}
        type="file"
        multiple
        accept={ACCEPTED}
        aria-label={t('chooseFiles')}
        tabIndex={-1}
        className="hidden"
        onChange={(event) => choose(event.target)}
      />
      <input
        ref={folder}
        type="file"
        multiple
        // React knows it by this name only.
        {...{ webkitdirectory: '' }}
        aria-label={t('chooseFolder')}
        tabIndex={-1}
        className="hidden"
        onChange={(event) => choose(event.target)}
      />
    </div>
  )
}
