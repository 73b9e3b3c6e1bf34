import { Search } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useTranslations } from 'use-intl'
import { Field, Input } from '@/ui/field'

const PAUSE_MS = 250

/** Looks for documents by title and path, a moment after the last key. */
export function DocumentFilter({ query, onChange }: { query: string; onChange: (query: string) => void }) {
  const t = useTranslations('knowledge')
  const [text, setText] = useState(query)
  const tell = useRef(onChange)
  useEffect(() => {
    tell.current = onChange
  })
  useEffect(() => {
    if (text.trim() === query) return
    const timer = setTimeout(() => tell.current(text.trim()), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text, query])
  return (
    <Field label={t('filter')} isLabelHidden className="w-full max-w-md">
      {(control) => (
        <div className="relative">
          <Search aria-hidden size={16} className="pointer-events-none absolute top-1/2 left-2.5 -translate-y-1/2 text-faint" />
          <Input
            {...control}
            type="search"
            maxLength={200}
            className="pl-8"
            placeholder={t('filter')}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
      )}
    </Field>
  )
}
