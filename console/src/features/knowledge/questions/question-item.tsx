import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Check, MessagesSquare, NotebookPen, RotateCcw, Search } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { changeQuestion } from '@/api/knowledge'
import type { QuestionState, UnansweredQuestion } from '@/api/schemas/knowledge'
import { Badge } from '@/ui/badge'
import { Button } from '@/ui/button'
import { Card } from '@/ui/card'
import { Field, TextArea } from '@/ui/field'
import { useFigures } from '@/ui/figures'
import { Time } from '@/ui/time'
import { toast } from '@/ui/toast'

const NOTE_MAX = 1000
const LINK = 'inline-flex min-h-6 items-center gap-1.5 font-medium text-accent-text underline-offset-2 hover:underline'

export function QuestionItem({ question }: { question: UnansweredQuestion }) {
  const t = useTranslations('knowledge.todo')
  const figures = useFigures()
  const queries = useQueryClient()
  const [isWriting, setWriting] = useState(false)
  const [note, setNote] = useState(question.note ?? '')

  const changing = useMutation({
    mutationFn: (change: { state: QuestionState; note?: string | null }) => changeQuestion(question.id, change),
    onSuccess: (changed) => {
      setWriting(false)
      setNote(changed.note ?? '')
      void queries.invalidateQueries({ queryKey: ['questions'] })
    },
    onError: (error) => toast(error.message, { tone: 'danger' }),
  })
  const written = note.trim() === '' ? null : note.trim()
  const set = (state: QuestionState) =>
    changing.mutate(
      { state, ...(written === (question.note ?? null) ? {} : { note: written }) },
      {
        onSuccess: () =>
          toast(state === 'done' ? t('isDone') : t('isOpen'), {
            action: { label: t('undo'), run: () => changing.mutate({ state: question.state }) },
          }),
      },
    )

  return (
    <li>
      <Card className="flex flex-col gap-2.5 px-4 py-3.5">
        <div className="flex flex-wrap items-start gap-x-4 gap-y-2">
          <div className="min-w-0 grow basis-72">
            <p className="text-md font-medium break-words">{question.question}</p>
            <p className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-muted">
              <Badge>{question.agent}</Badge>
              <Time at={question.askedAt} />
              <span className="tabular-nums">{t('confidence', { confidence: figures.percent(question.confidence) })}</span>
            </p>
          </div>
          {question.state === 'open' ? (
            <Button icon={<Check aria-hidden size={16} />} isBusy={changing.isPending} onClick={() => set('done')}>
              {t('setDone')}
            </Button>
          ) : (
            <Button icon={<RotateCcw aria-hidden size={16} />} isBusy={changing.isPending} onClick={() => set('open')}>
              {t('setOpen')}
            </Button>
          )}
        </div>
        {isWriting ? (
          <form
            className="flex flex-col gap-2"
            onSubmit={(event) => {
              event.preventDefault()
              changing.mutate({ state: question.state, note: written })
            }}
          >
            <Field label={t('note')} hint={t('noteHint')}>
              {(control) => (
                <TextArea
                  {...control}
                  maxLength={NOTE_MAX}
                  // It was asked for just now, by the button that it takes the place of.
                  // eslint-disable-next-line jsx-a11y/no-autofocus
                  autoFocus
                  value={note}
                  onChange={(event) => setNote(event.target.value)}
                />
              )}
            </Field>
            <div className="flex gap-2">
              <Button type="submit" tone="primary" size="small" isBusy={changing.isPending}>
                {t('saveNote')}
              </Button>
              <Button
                size="small"
                onClick={() => {
                  setNote(question.note ?? '')
                  setWriting(false)
                }}
              >
                {t('cancel')}
              </Button>
            </div>
          </form>
        ) : (
          question.note !== undefined && (
            <p className="rounded-control bg-sunken px-3 py-2 break-words whitespace-pre-wrap">{question.note}</p>
          )
        )}
        <div className="flex flex-wrap gap-x-5 gap-y-1 text-sm">
          <Link to="/knowledge/search" search={{ q: question.question }} className={LINK}>
            <Search aria-hidden size={14} />
            {t('searchForIt')}
          </Link>
          <Link to="/chat/$sessionId" params={{ sessionId: question.sessionId }} className={LINK}>
            <MessagesSquare aria-hidden size={14} />
            {t('session')}
          </Link>
          {!isWriting && (
            <button type="button" className={LINK} onClick={() => setWriting(true)}>
              <NotebookPen aria-hidden size={14} />
              {question.note === undefined ? t('addNote') : t('changeNote')}
            </button>
          )}
        </div>
      </Card>
    </li>
  )
}
