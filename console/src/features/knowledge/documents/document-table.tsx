import { Link } from '@tanstack/react-router'
import { MoreHorizontal, RefreshCw, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import type { DocumentInfo } from '@/api/schemas/knowledge'
import { Badge } from '@/ui/badge'
import { IconButton } from '@/ui/button'
import { Menu, MenuItem } from '@/ui/menu'
import { Cell, HeadCell, Table } from '@/ui/table'
import { Time } from '@/ui/time'
import { DeleteDocument } from './delete-document'
import { isUpload } from './origin'
import { ReplaceDocument } from './replace-document'

/** Newest first. */
export function DocumentTable({ documents }: { documents: DocumentInfo[] }) {
  const t = useTranslations('knowledge')
  const [chosen, setChosen] = useState<{ document: DocumentInfo; to: 'delete' | 'replace' }>()
  const done = () => setChosen(undefined)
  return (
    <>
      <Table caption={t('documents')}>
        <thead>
          <tr>
            <HeadCell className="pl-4">{t('column.document')}</HeadCell>
            <HeadCell className="hidden sm:table-cell">{t('column.collection')}</HeadCell>
            <HeadCell className="hidden md:table-cell">{t('column.origin')}</HeadCell>
            <HeadCell className="hidden sm:table-cell">{t('column.updated')}</HeadCell>
            <HeadCell className="w-10">
              <span className="sr-only">{t('column.actions')}</span>
            </HeadCell>
          </tr>
        </thead>
        <tbody>
          {documents.map((document) => (
            <tr key={document.id} className="hover:bg-hover">
              <Cell className="max-w-0 w-full pl-4">
                <Link
                  to="/knowledge/documents/$documentId"
                  params={{ documentId: document.id }}
                  className="block truncate font-medium hover:text-accent-text hover:underline underline-offset-2"
                >
                  {document.title}
                </Link>
                <span className="block truncate font-mono text-xs text-muted">{document.path}</span>
                <span className="mt-1 flex items-center gap-2 text-sm text-muted sm:hidden">
                  <Badge>{document.collection}</Badge>
                  <Time at={document.updatedAt} />
                </span>
              </Cell>
              <Cell className="hidden whitespace-nowrap sm:table-cell">
                <Badge>{document.collection}</Badge>
              </Cell>
              <Cell className="hidden max-w-48 truncate text-muted md:table-cell" title={document.root}>
                {isUpload(document) ? t('uploaded') : document.root}
              </Cell>
              <Cell className="hidden whitespace-nowrap text-muted tabular-nums sm:table-cell">
                <Time at={document.updatedAt} />
              </Cell>
              <Cell className="py-1">
                <Menu
                  trigger={
                    <IconButton label={t('actionsFor', { title: document.title })}>
                      <MoreHorizontal aria-hidden size={16} />
                    </IconButton>
                  }
                >
                  {isUpload(document) && (
                    <MenuItem icon={<RefreshCw aria-hidden size={14} />} onSelect={() => setChosen({ document, to: 'replace' })}>
                      {t('replace.open')}
                    </MenuItem>
                  )}
                  <MenuItem isDangerous icon={<Trash2 aria-hidden size={14} />} onSelect={() => setChosen({ document, to: 'delete' })}>
                    {t('delete.open')}
                  </MenuItem>
                </Menu>
              </Cell>
            </tr>
          ))}
        </tbody>
      </Table>
      {chosen?.to === 'delete' && <DeleteDocument document={chosen.document} onClose={done} />}
      {chosen?.to === 'replace' && <ReplaceDocument document={chosen.document} onClose={done} />}
    </>
  )
}
