import { useState } from 'react'
import { useTranslations } from 'use-intl'
import { Field, Input, Select } from '@/ui/field'

const NAME = /^[a-z][a-z0-9_-]{0,63}$/
const NEW = ''

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
  const [isNew, setNew] = useState(false)
  const isTyped = isNew || collections.length === 0
  const options = [...collections.map((name) => ({ value: name, label: name })), { value: NEW, label: t('otherCollection') }]
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      <Field label={t('collection')}>
        {(control) => (
          <Select
            {...control}
            options={options}
            value={isTyped ? NEW : value}
            onChange={(name) => {
              setNew(name === NEW)
              onChange(name)
            }}
          />
        )}
      </Field>
      {isTyped && (
        <Field
          label={t('newName')}
          hint={t('newCollection')}
          error={value !== '' && !isCollectionName(value) ? t('collectionWrong') : undefined}
        >
          {(control) => (
            <Input
              {...control}
              autoComplete="off"
              spellCheck={false}
              value={value}
              onChange={(event) => onChange(event.target.value.trim())}
            />
          )}
        </Field>
      )}
    </div>
  )
}
