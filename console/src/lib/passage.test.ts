import { describe, expect, it } from 'vitest'
import { passageKey } from './passage'

describe('passageKey', () => {
  it('is the same for a text however it is broken into lines', () => {
    expect(passageKey('  Keys are\nrotated.\n')).toBe(passageKey('Keys are rotated.'))
  })

  it('tells texts apart, and never looks like a number', () => {
    const keys = Array.from({ length: 2_000 }, (_, at) => passageKey(`Passage ${at}`))
    expect(new Set(keys).size).toBe(keys.length)
    for (const key of keys) expect(key).toMatch(/^p[0-9a-f]{8}$/)
  })
})
