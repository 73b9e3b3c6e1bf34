import { useQuery } from '@tanstack/react-query'
import { Search } from 'lucide-react'
import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { collectionsQuery } from '@/api/knowledge'
import { Button } from '@/ui/button'
import { Field, Input, Select } from '@/ui/field'

const QUESTION_MAX = 2000

export function SearchForm({
  question,
  collection,
  isBusy,
  onSearch,
}: {
  question: string
  collection: string | undefined
  isBusy: boolean
  onSearch: (wish: { question: string; collection: string | undefined }) => void
}) {
  const t = useTranslations('knowledge.playground')
  const { data: collections = [] } = useQuery(collectionsQuery)
  const [text, setText] = useState(question)
  const [chosen, setChosen] = useState(collection ?? '')
  // A collection that a link names is chosen, whether or not there is one.
  const names = [...new Set([...collections.map(({ name }) => name), ...(chosen === '' ? [] : [chosen])])]
  return (
    <form
      role="search"
      className="flex flex-wrap items-end gap-3"
      onSubmit={(event) => {
        event.preventDefault()
        const asked = text.trim()
        if (asked !== '') onSearch({ question: asked, collection: chosen === '' ? undefined : chosen })
      }}
    >
      <Field label={t('question')} className="min-w-60 grow basis-80">
        {(control) => (
          <Input
            {...control}
            type="search"
            maxLength={QUESTION_MAX}
            placeholder={t('questionHint')}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      <Field label={t('collection')} className="min-w-40 grow sm:grow-0">
        {(control) => (
          <Select
            {...control}
            value={chosen}
            onChange={setChosen}
            options={[{ value: '', label: t('everywhere') }, ...names.map((name) => ({ value: name, label: name }))]}
          />
        )}
      </Field>
      <Button type="submit" tone="primary" icon={<Search aria-hidden size={16} />} isBusy={isBusy}>
        {t('submit')}
      </Button>
    </form>
  )
}
