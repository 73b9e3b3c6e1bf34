import { useId } from 'react'
import { useTranslations } from 'use-intl'
import { Field, Input } from '@/ui/field'

const NAME = /^[a-z][a-z0-9_-]{0,63}$/

export function isCollectionName(text: string): boolean {
  return NAME.test(text)
}

/** One of those that there are, or a new one: a collection begins with its first document. */
export function CollectionField({ collections, value, onChange }: {
  collections: string[]
  value: string
  onChange: (name: string) => void
}) {
  const t = useTranslations('knowledge.upload')
  const list = useId()
  const isWrong = value !== '' && !isCollectionName(value)
  const isNew = isCollectionName(value) && collections.length > 0 && !collections.includes(value)
  return (
    <Field
      label={t('collection')}
      hint={isNew ? t('newCollection') : t('collectionHint')}
      error={isWrong ? t('collectionWrong') : undefined}
      className="max-w-sm"
    >
      {(control) => (
        <>
          <Input
            {...control}
            list={list}
            autoComplete="off"
            spellCheck={false}
            value={value}
            onChange={(event) => onChange(event.target.value.trim())}
          />
          <datalist id={list}>
            {collections.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  )
}
