import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wordsDiff, type Piece } from './words-diff'

const whole = (pieces: Piece[]) => pieces.map((piece) => piece.text).join('')
const other = (pieces: Piece[]) => pieces.filter((piece) => piece.isOther).map((piece) => piece.text.trim())

describe('wordsDiff', () => {
  it('marks what only one of them says', () => {
    const { before, after } = wordsDiff('A refund takes five days.', 'A refund usually takes ten days.')
    expect(other(before)).toEqual(['five'])
    expect(other(after)).toEqual(['usually', 'ten'])
  })

  it('marks nothing where only white space differs', () => {
    const { before, after } = wordsDiff('One two\n\nthree', 'One  two three')
    expect([...other(before), ...other(after)]).toEqual([])
  })

  it('gives both texts as they are, and marks nothing of equal ones', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c ', '\n', ' ', 'dd')).map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, text, (one, two) => {
        const { before, after } = wordsDiff(one, two)
        expect([whole(before), whole(after)]).toEqual([one, two])
        if (one === two) expect([...other(before), ...other(after)]).toEqual([])
        const kept = (pieces: Piece[]) => pieces.filter((piece) => !piece.isOther).flatMap((piece) => piece.text.match(/\S+/g) ?? [])
        expect(kept(before)).toEqual(kept(after))
      }),
    )
  })

  it('does not compare what is too long word by word', () => {
    const long = 'word '.repeat(2_000)
    expect(wordsDiff(long, `${long}more`).after).toEqual([{ text: `${long}more`, isOther: true }])
  })
})
