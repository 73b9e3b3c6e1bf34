import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dropUtf8, utf8Length } from '@/lib/utf8'
import { backoffMs } from './backoff'
import { EventStreamParser } from './event-stream'
import { readOutbox, writeOutbox } from './outbox'
import { uuidV7 } from './uuid'

describe('backoffMs', () => {
  it('waits longer after each failure, up to a bound, and never the same for all', () => {
    const middle = [1, 2, 3, 4, 5, 6, 7, 8, 100].map((failures) => backoffMs(failures, 0.5))
    expect(middle).toEqual([200, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
    expect([backoffMs(4, 0), backoffMs(4, 1)]).toEqual([1_500, 2_500])
  })
})

describe('utf8', () => {
  it('counts as the encoder does, and drops what was counted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (one, other) => {
        expect(utf8Length(one)).toBe(new TextEncoder().encode(one).length)
        expect(dropUtf8(one + other, utf8Length(one))).toBe(other)
      }),
    )
  })
  it('does not cut a character', () => expect(dropUtf8('€', 1)).toBeUndefined())
})

describe('EventStreamParser', () => {
  it('finds the same events however the stream is cut', () => {
    const stream = ': beat\n\nid: 1\ndata: {"a": 1}\n\nretry: 5\n\nevent: done\r\ndata: one\r\ndata: two\r\n\r\ndata: unfinished'
    const whole = new EventStreamParser().push(stream)
    expect(whole).toEqual([
      { id: '1', event: 'message', data: '{"a": 1}' },
      { id: undefined, event: 'done', data: 'one\ntwo' },
    ])
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const parser = new EventStreamParser()
        const points = [0, ...cuts, stream.length].sort((a, b) => a - b)
        expect(points.slice(1).flatMap((point, index) => parser.push(stream.slice(points[index], point)))).toEqual(whole)
      }),
    )
  })
})

describe('the outbox', () => {
  it('survives a reload, and whatever else stands in its place', () => {
    const one = { clientMessageId: uuidV7(), content: 'hello', at: '2026-01-01T00:00:00.000Z', state: 'sent' as const }
    writeOutbox('s', [one])
    expect(readOutbox('s')).toEqual([one])
    sessionStorage.setItem('orchestratai.outbox.s', '[{"state": 7}]')
    expect(readOutbox('s')).toEqual([])
    writeOutbox('s', [])
    expect(sessionStorage.length).toBe(0)
  })
})

describe('uuidV7', () => {
  it('is a UUID that sorts by time', () => {
    const ids = [1, 2, 1e12, Date.now()].map((at) => uuidV7(at))
    expect(ids).toEqual([...ids].sort())
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
