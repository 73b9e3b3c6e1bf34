import { describe, expect, it } from 'vitest'
import { liveSearch } from './live-search'

describe('liveSearch', () => {
  it('takes what an address says, and leaves out what it cannot mean', () => {
    expect(liveSearch({ q: 'refund', state: 'person' })).toEqual({ q: 'refund', state: 'person' })
    // The router reads numbers as such.
    expect(liveSearch({ q: 42 })).toEqual({ q: '42' })
    expect(liveSearch({ q: '', state: 'asleep' })).toEqual({})
    expect(liveSearch({ q: { a: 1 }, state: ['idle'] })).toEqual({})
    expect(liveSearch({ q: 'x'.repeat(999) }).q).toHaveLength(200)
  })
})
