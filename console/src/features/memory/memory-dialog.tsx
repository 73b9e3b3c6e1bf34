import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { asApiError } from '@/api/error'
import { eraseFact, eraseFacts, memoryQuery, type Fact } from '@/api/memory'
import { Button, IconButton } from '@/ui/button'
import { ConfirmDialog } from '@/ui/confirm-dialog'
import { Dialog } from '@/ui/dialog'
import { EmptyState } from '@/ui/empty-state'
import { FailureNotice } from '@/ui/failure-notice'
import { useFigures } from '@/ui/figures'
import { Notice } from '@/ui/notice'
import { Skeleton } from '@/ui/skeleton'
import { Time } from '@/ui/time'
import { toast } from '@/ui/toast'

/** What agents are told of a user, and the way to have it erased: one fact, or all of it. */
export function MemoryDialog({ userId, onClose }: { userId: string; onClose: () => void }) {
  const t = useTranslations('memory')
  const queries = useQueryClient()
  const { data, error, refetch } = useQuery(memoryQuery(userId))
  const [asked, ask] = useState<Fact | 'all'>()
  const erasing = useMutation({
    mutationFn: async (what: Fact | 'all') => {
      if (what === 'all') return eraseFacts(userId)
      try {
        await eraseFact(userId, what.id)
      } catch (failure) {
        // It has expired, or somebody else was quicker: it is gone, as was wanted.
        if (asApiError(failure).code !== 'NOT_FOUND') throw failure
      }
    },
    onSuccess: async (_nothing, what) => {
      ask(undefined)
      toast(what === 'all' ? t('erasedAll') : t('erased'))
      await queries.invalidateQueries({ queryKey: memoryQuery(userId).queryKey })
    },
  })
  const close = () => {
    ask(undefined)
    erasing.reset()
  }
  const facts = data?.facts ?? []
  return (
    <>
      <Dialog
        isOpen
        onClose={onClose}
        size="wide"
        title={t('title')}
        description={t.rich('of', { user: () => <bdi className="font-medium text-text">{userId}</bdi> })}
        footer={
          facts.length > 0 ? (
            <Button tone="danger" icon={<Trash2 aria-hidden size={15} />} onClick={() => ask('all')}>
              {t('eraseAll')}
            </Button>
          ) : undefined
        }
      >
        {data?.enabled === false && <Notice className="mb-3">{t('off')}</Notice>}
        {error && <FailureNotice error={error} onRetry={() => void refetch()} />}
        {!data && !error && <Skeleton className="h-24" />}
        {data && facts.length === 0 && <EmptyState title={t('none')}>{t('noneHint')}</EmptyState>}
        {facts.length > 0 && (
          <ul aria-label={t('title')} className="divide-y divide-line">
            {facts.map((fact) => (
              <FactRow key={fact.id} fact={fact} onErase={() => ask(fact)} />
            ))}
          </ul>
        )}
      </Dialog>
      <ConfirmDialog
        isOpen={asked !== undefined}
        onClose={close}
        onConfirm={() => {
          if (asked !== undefined) erasing.mutate(asked)
        }}
        isBusy={erasing.isPending}
        title={asked === 'all' ? t('eraseAllTitle') : t('eraseTitle')}
        description={asked === 'all' ? t('eraseAllHint', { count: facts.length }) : t('eraseHint')}
        confirmLabel={asked === 'all' ? t('eraseAll') : t('erase')}
      >
        {asked !== undefined && asked !== 'all' && (
          <blockquote dir="auto" className="border-s-2 border-line ps-3 break-words">
            {asked.text}
          </blockquote>
        )}
        {erasing.error && <FailureNotice error={erasing.error} className="mt-3" />}
      </ConfirmDialog>
    </>
  )
}

function FactRow({ fact, onErase }: { fact: Fact; onErase: () => void }) {
  const t = useTranslations('memory')
  const figures = useFigures()
  return (
    <li className="flex items-start gap-3 py-2.5">
      <div className="min-w-0 grow">
        <p dir="auto" className="break-words">
          {fact.text}
        </p>
        <p className="flex flex-wrap gap-x-2.5 text-sm text-muted">
          <span>{t.rich('said', { at: () => <Time at={fact.saidAt} /> })}</span>
          <span>{t('keptBy', { agent: fact.agent })}</span>
          <span>{t('keptUntil', { day: figures.day(fact.keptUntil) })}</span>
          <Link to="/chat/$sessionId" params={{ sessionId: fact.sessionId }} className="text-accent-text underline-offset-2 hover:underline">
            {t('session')}
          </Link>
        </p>
      </div>
      <IconButton label={t('eraseFact', { fact: fact.text })} size="small" onClick={onErase}>
        <Trash2 aria-hidden size={15} />
      </IconButton>
    </li>
  )
}
