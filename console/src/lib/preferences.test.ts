import { describe, expect, it } from 'vitest'
import { parsePreferences } from './preferences'

describe('parsePreferences', () => {
  it.each([undefined, '', 'null', '[]', '{', '{"theme":7}', '{"theme":"__proto__","language":"tlh"}'])(
    'falls back to what the system wants where %s is stored',
    (stored) => {
      expect(parsePreferences(stored)).toEqual({ theme: 'system', contrast: 'system', language: 'en' })
    },
  )

  it('takes what was chosen', () => {
    const chosen = { theme: 'dark', contrast: 'more', language: 'de' }
    expect(parsePreferences(JSON.stringify(chosen))).toEqual(chosen)
  })
})
