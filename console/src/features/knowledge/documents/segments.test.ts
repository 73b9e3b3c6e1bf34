import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DocumentPart } from '@/api/schemas/knowledge'
import { segments } from './segments'

const part = (id: number, content: string, place: { start?: number; end?: number } = {}): DocumentPart => ({
  id,
  headings: [],
  content,
  ...place,
})

describe('segments', () => {
  it('cuts by bytes, not by characters', () => {
    const content = '## Größe\n\nÜber 5 €.\n\n## Ende\n\nSchluss.'
    const start = new TextEncoder().encode('## Größe\n\n').length
    const end = start + new TextEncoder().encode('Über 5 €.').length
    const cut = segments(content, [part(0, 'Über 5 €.', { start, end })])
    expect(cut.map((one) => [one.text, one.part?.id])).toEqual([
      ['## Größe\n\n', undefined],
      ['Über 5 €.', 0],
      ['\n\n## Ende\n\nSchluss.', undefined],
    ])
  })

  it('finds what has no place by its text, and leaves out what is not there', () => {
    const cut = segments('One. Two. Three.', [part(0, 'Two.'), part(1, 'Four.')])
    expect(cut).toEqual([{ text: 'One. ' }, { text: 'Two.', part: part(0, 'Two.') }, { text: ' Three.' }])
  })

  it('always gives the whole text once, whatever places are named', () => {
    const place = fc.record({ start: fc.integer({ min: 0, max: 60 }), length: fc.integer({ min: 0, max: 30 }) })
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z \n#.]{0,50}$/), fc.array(place), (content, places) => {
        const parts = places.map(({ start, length }, id) => part(id, '…', { start, end: start + length }))
        expect(segments(content, parts).map((one) => one.text).join('')).toBe(content)
      }),
    )
  })
})
