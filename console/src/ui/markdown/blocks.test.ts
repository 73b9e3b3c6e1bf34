import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blocksWithin, splitBlocks, withoutOverrides, withVisibleControls } from './blocks'

const texts = (markdown: string) => splitBlocks(markdown).map((block) => block.text.trim())

describe('splitBlocks', () => {
  it.each([
    ['paragraphs', 'one\n\ntwo\nstill two', ['one', 'two\nstill two']],
    ['a fence with blank lines', 'a\n\n```js\n1\n\n2\n```\n\nb', ['a', '```js\n1\n\n2\n```', 'b']],
    ['a fence that is still open', '```\n1\n\n2', ['```\n1\n\n2']],
    ['a list with blank lines between its items', '- a\n\n- b\n\n  more of b\n\nend', ['- a\n\n- b\n\n  more of b', 'end']],
    ['a definition, which the whole text needs', 'see [a]\n\n[a]: https://example.org', ['see [a]\n\n[a]: https://example.org']],
    ['nothing', '\n\n \n', []],
  ])('keeps together %s', (_name, markdown, expected) => expect(texts(markdown)).toEqual(expected))

  it('loses nothing', () => {
    const line = fc.constantFrom('a', '', '```', '~~~', '- x', '  y', '1. z', '> q', '| t |', '# h')
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const markdown = lines.join('\n')
        expect(splitBlocks(markdown).map((block) => block.text).join('').replace(/\s/g, '')).toBe(markdown.replace(/\s/g, ''))
      }),
    )
  })

  it('leaves what is complete as it is when more comes', () => {
    const whole = 'one\n\n- a\n- b\n\n```\ncode\n\n```\n\nlast words'
    for (let end = 1; end < whole.length; end += 1) {
      const now = splitBlocks(whole.slice(0, end))
      const later = splitBlocks(whole)
      now.slice(0, -1).forEach((block, index) => expect(block.text.trim()).toBe(later[index]?.text.trim()))
    }
  })

  it('does not parse what is huge', () => {
    const blocks = splitBlocks('a'.repeat(1_000_000))
    expect(blocks.every((block) => block.kind === 'plain' && block.text.length <= 16_001)).toBe(true)
    expect(blocks.reduce((sum, block) => sum + block.text.length, 0)).toBe(1_000_000)
    expect(blocksWithin(blocks, 40_000)).toBe(2)
  })
})

describe('signs that reorder text', () => {
  it('are taken out of prose, and made visible in code', () => {
    expect(withoutOverrides('a\u202Eb\u202Cc')).toBe('ab\u202Cc')
    expect(withVisibleControls('if (x\u2066) {\u202E}')).toBe('if (x⟨U+2066⟩) {⟨U+202E⟩}')
  })

  it('does not have parsed what is nested beyond all reason', () => {
    for (const deep of ['>'.repeat(5_000) + ' deep', '- '.repeat(3_000) + 'list', '1. '.repeat(100) + 'list']) {
      expect(splitBlocks(`Before.\n\n${deep}`).map(({ kind }) => kind)).toEqual(['markdown', 'plain'])
    }
    for (const usual of ['-'.repeat(80), '> > quoted twice', '- one\n  - two\n    - three', '*'.repeat(80)]) {
      expect(splitBlocks(usual).map(({ kind }) => kind)).toEqual(['markdown'])
    }
  })
})
