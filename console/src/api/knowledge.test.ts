import { QueryClient } from '@tanstack/react-query'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { documentsQuery } from './knowledge'

/** A server of so many documents, oldest first, as it pages them. */
function serve(count: number) {
  const all = Array.from({ length: count }, (_, at) => ({
    id: `d${at}`,
    collection: 'technical',
    root: 'uploads',
    path: `guides/${at}.md`,
    title: at % 100 === 0 ? `Century ${at}` : `Guide ${at}`,
    revision: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
  }))
  const asked = vi.fn((address: string) => {
    const query = new URL(address, 'http://console').searchParams
    const before = query.get('before')
    const search = query.get('search') ?? ''
    const older = before === null ? all : all.slice(0, all.findIndex(({ id }) => id === before))
    const found = older.filter(({ title }) => title.includes(search))
    const start = Math.max(0, found.length - Number(query.get('limit')))
    return Promise.resolve(Response.json({ documents: found.slice(start), hasMore: start > 0 }))
  })
  vi.stubGlobal('fetch', asked)
  return asked
}

const titles = async (query: string | undefined, pages: number) => {
  const data = await new QueryClient().infiniteQuery({ ...documentsQuery({ query }), pages })
  return data.pages.flatMap((page) => page.documents.map(({ title }) => title))
}

describe('the list of documents', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('goes from the newest back, page by page', async () => {
    const asked = serve(120)
    const found = await titles(undefined, 5)
    expect([found.length, found[0], found.at(-1)]).toEqual([120, 'Guide 119', 'Century 0'])
    expect(asked).toHaveBeenCalledTimes(3)
  })

  it('lets the server look, and pages what it finds', async () => {
    const asked = serve(450)
    expect(await titles('Century', 2)).toEqual(['Century 400', 'Century 300', 'Century 200', 'Century 100', 'Century 0'])
    expect(asked).toHaveBeenCalledTimes(1)
    expect((await titles('Guide', 9)).length).toBe(445)
    expect(asked).toHaveBeenCalledTimes(1 + 9)
  })
})
