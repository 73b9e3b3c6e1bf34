import { describe, expect, it } from 'vitest'
import { LANGUAGES } from '@/lib/preferences'

type Catalogue = { [key: string]: string | Catalogue }

function flatten(catalogue: Catalogue, path = ''): Map<string, string> {
  return new Map(
    Object.entries(catalogue).flatMap(([key, value]) =>
      typeof value === 'string' ? [[path + key, value] as const] : [...flatten(value, `${path}${key}.`)],
    ),
  )
}

/** An argument or a tag. What stands in braces after `one`, `other`, `=0` and the like is text of a language. */
const ARGUMENT = /(?<!(?:=\d+|\b(?:zero|one|two|few|many|other|true|false)) )\{(\w+)\s*(?:,\s*(\w+)|(?=\}))|<(\w+)>/g

/** The names of the arguments and tags of an ICU message, with their kinds. */
function argumentsOf(message: string): string[] {
  const found = [...message.matchAll(ARGUMENT)].map(([, name, kind, tag]) =>
    tag === undefined ? `${name ?? ''}:${kind ?? ''}` : `<${tag}>`,
  )
  return [...new Set(found)].sort()
}

const catalogues = import.meta.glob<Catalogue>('./*.json', { eager: true, import: 'default' })
const load = (language: string) => flatten(catalogues[`./${language}.json`] ?? {})

describe.each(LANGUAGES.filter((language) => language !== 'en'))('the messages in %s', (language) => {
  it('have the same keys as the English ones', () => {
    expect([...load(language).keys()].sort()).toEqual([...(load('en')).keys()].sort())
  })

  it('take the same arguments, and say something', () => {
    const english = load('en')
    for (const [key, message] of load(language)) {
      expect(message.trim(), key).not.toBe('')
      expect(argumentsOf(message), key).toEqual(argumentsOf(english.get(key) ?? ''))
    }
  })
})
