import type { AgentDefinition, Draft, Strategy } from '@/api/schemas/agents'

/** What may be edited, in the form's own terms: '' for no strategy of its own. */
export type DraftForm = {
  strategy: Strategy
  complexStrategy: Strategy | ''
  model: string
  purpose: string
  prompt: string
  collections: string[]
  direct: Record<string, string>
}

export type DraftField = keyof DraftForm

const FIELDS: readonly DraftField[] = ['strategy', 'complexStrategy', 'model', 'purpose', 'prompt', 'collections', 'direct']

export function formOf(definition: AgentDefinition): DraftForm {
  return {
    strategy: definition.strategy,
    complexStrategy: definition.complexStrategy ?? '',
    model: definition.model,
    purpose: definition.purpose,
    prompt: definition.prompt,
    collections: [...definition.collections],
    direct: { ...definition.direct },
  }
}

/** The fields that differ from the definition. */
export function changedFields(definition: AgentDefinition, form: DraftForm): DraftField[] {
  const current = formOf(definition)
  const isSame: Record<DraftField, boolean> = {
    strategy: current.strategy === form.strategy,
    complexStrategy: current.complexStrategy === form.complexStrategy,
    model: current.model === form.model,
    purpose: current.purpose === form.purpose,
    prompt: current.prompt === form.prompt,
    collections:
      current.collections.length === form.collections.length &&
      current.collections.every((name) => form.collections.includes(name)),
    direct: Object.keys(current.direct).every((key) => current.direct[key] === form.direct[key]),
  }
  return FIELDS.filter((field) => !isSame[field])
}

/** What is sent: the changed fields alone; none where nothing is changed. */
export function draftOf(definition: AgentDefinition, form: DraftForm): Draft | undefined {
  const fields = changedFields(definition, form)
  if (fields.length === 0) return undefined
  const draft: Draft = {}
  for (const field of fields) {
    if (field === 'complexStrategy') draft.complexStrategy = form.complexStrategy === '' ? null : form.complexStrategy
    else Object.assign(draft, { [field]: form[field] })
  }
  return draft
}
