import { describe, expect, it } from 'vitest'
import type { AgentDefinition } from '@/api/schemas/agents'
import { changedFields, draftOf, formOf } from './draft'

const definition: AgentDefinition = {
  id: 'billing',
  name: 'Billing',
  purpose: 'plans and prices',
  color: 'green',
  strategy: 'pure_cag',
  complexStrategy: 'hybrid',
  model: 'embedded-extractive',
  prompt: 'You are the billing specialist.',
  keywords: [],
  collections: ['billing', 'policy'],
  filter: [],
  tools: [],
  fallbacks: [],
  handOffs: [],
  agents: [],
  limits: { concurrencyTurns: 1, queueTurns: 1, timeoutSeconds: 1, answerCharacters: 100 },
  examples: [],
  version: '0011223344556677',
}

describe('a draft', () => {
  it('is nothing where nothing is changed, whatever the order of collections', () => {
    const form = { ...formOf(definition), collections: ['policy', 'billing'] }
    expect(changedFields(definition, form)).toEqual([])
    expect(draftOf(definition, form)).toBeUndefined()
  })

  it('has the changed fields alone, and takes a strategy away by null', () => {
    const form = { ...formOf(definition), strategy: 'pure_rag' as const, complexStrategy: '' as const, collections: ['billing'] }
    expect(draftOf(definition, form)).toEqual({ strategy: 'pure_rag', complexStrategy: null, collections: ['billing'] })
  })

  it('sees a change of one direct text', () => {
    const direct = { ...definition, direct: { greeting: 'Hello', thanks: 'Welcome' } }
    const form = formOf(direct)
    expect(draftOf(direct, { ...form, direct: { ...form.direct, greeting: 'Hi' } })).toEqual({
      direct: { greeting: 'Hi', thanks: 'Welcome' },
    })
  })
})
