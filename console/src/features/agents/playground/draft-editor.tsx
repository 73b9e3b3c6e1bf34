import { Undo2 } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { Strategy, type AgentDefinition } from '@/api/schemas/agents'
import { Badge } from '@/ui/badge'
import { Button } from '@/ui/button'
import { Card, CardHeader } from '@/ui/card'
import { Field, Input, Select, TextArea } from '@/ui/field'
import type { DraftField, DraftForm } from './draft'

/** The part of the definition that a draft may have otherwise; what differs says so. */
export function DraftEditor({
  definition,
  form,
  changed,
  collections,
  wrong,
  onChange,
  onReset,
}: {
  definition: AgentDefinition
  form: DraftForm
  changed: DraftField[]
  collections: string[]
  wrong: ReadonlyMap<string, string>
  onChange: (change: Partial<DraftForm>) => void
  onReset: () => void
}) {
  const t = useTranslations('agents')
  const p = useTranslations('agents.playground')
  const isDirect = definition.strategy === 'direct'
  const label = (field: DraftField, name: string): ReactNode => (
    <span className="flex items-center gap-2">
      {name}
      {changed.includes(field) && <Badge tone="accent">{p('changed')}</Badge>}
    </span>
  )
  const strategies = Strategy.options.map((value) => ({ value, label: t(`strategies.${value}`) }))
  const models = [...new Set([definition.model, ...(definition.models ?? [])])]
  return (
    <Card aria-label={p('draft')} className="lg:sticky lg:top-0 lg:max-h-[calc(100dvh-7rem)] lg:overflow-auto">
      <CardHeader title={p('draft')} description={p('draftHint')}>
        <Button size="small" icon={<Undo2 aria-hidden size={14} />} disabled={changed.length === 0} onClick={onReset}>
          {p('reset')}
        </Button>
      </CardHeader>
      <div className="flex flex-col gap-3.5 px-4 pb-4">
        {!isDirect && (
          <>
            <Field label={label('strategy', t('settings.strategy'))} error={wrong.get('strategy')}>
              {(control) => (
                <Select
                  {...control}
                  value={form.strategy}
                  onChange={(strategy) => onChange({ strategy })}
                  options={strategies.filter(({ value }) => value !== 'direct')}
                />
              )}
            </Field>
            <Field label={label('complexStrategy', t('settings.complexStrategy'))} error={wrong.get('complexStrategy')}>
              {(control) => (
                <Select
                  {...control}
                  value={form.complexStrategy}
                  onChange={(complexStrategy) => onChange({ complexStrategy })}
                  options={[{ value: '' as const, label: p('sameStrategy') }, ...strategies.filter(({ value }) => value !== 'direct')]}
                />
              )}
            </Field>
          </>
        )}
        <Field label={label('model', t('settings.model'))} error={wrong.get('model')}>
          {(control) =>
            models.length > 1 ? (
              <Select
                {...control}
                value={form.model}
                onChange={(model) => onChange({ model })}
                options={models.map((value) => ({ value, label: value }))}
              />
            ) : (
              <Input
                {...control}
                className="font-mono text-sm"
                spellCheck={false}
                value={form.model}
                onChange={(event) => onChange({ model: event.target.value })}
              />
            )
          }
        </Field>
        {!isDirect && (
          <fieldset className="flex flex-col gap-1">
            <legend className="mb-1 text-sm font-medium">{label('collections', t('settings.collections'))}</legend>
            {collections.map((name) => (
              <label key={name} className="flex min-h-6 items-center gap-2">
                <input
                  type="checkbox"
                  className="size-4 accent-(--accent)"
                  checked={form.collections.includes(name)}
                  onChange={(event) =>
                    onChange({
                      collections: event.target.checked
                        ? [...form.collections, name]
                        : form.collections.filter((one) => one !== name),
                    })
                  }
                />
                {name}
              </label>
            ))}
            {wrong.has('collections') && (
              <p role="alert" className="text-sm text-danger">
                {wrong.get('collections')}
              </p>
            )}
          </fieldset>
        )}
        <Field label={label('purpose', t('settings.purpose'))} error={wrong.get('purpose')}>
          {(control) => (
            <TextArea {...control} rows={2} value={form.purpose} onChange={(event) => onChange({ purpose: event.target.value })} />
          )}
        </Field>
        <Field label={label('prompt', t('settings.prompt'))} hint={t('settings.promptHint')} error={wrong.get('prompt')}>
          {(control) => (
            <TextArea {...control} rows={6} value={form.prompt} onChange={(event) => onChange({ prompt: event.target.value })} />
          )}
        </Field>
        {Object.entries(form.direct).map(([name, text]) => (
          <Field
            key={name}
            label={
              <span className="flex items-center gap-2">
                {t.has(`settings.cases.${name}` as 'settings.cases.greeting')
                  ? t(`settings.cases.${name}` as 'settings.cases.greeting')
                  : name}
                {definition.direct?.[name] !== text && <Badge tone="accent">{p('changed')}</Badge>}
              </span>
            }
          >
            {(control) => (
              <TextArea
                {...control}
                rows={2}
                value={text}
                onChange={(event) => onChange({ direct: { ...form.direct, [name]: event.target.value } })}
              />
            )}
          </Field>
        ))}
      </div>
    </Card>
  )
}
