/** What is to be opened: a document, at a passage of it where one is meant. */
export type Passage = {
  source: string
  collection?: string
  content?: string
  headings?: readonly string[]
  title?: string
}

type Metadata = Record<string, unknown> | undefined

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** The heading path of a chunk, whichever way its metadata says it. */
export function headingsOf(metadata: Metadata): string[] {
  const path = metadata?.['heading_path'] ?? metadata?.['headingPath'] ?? metadata?.['headings']
  if (Array.isArray(path)) return path.flatMap((one) => text(one) ?? [])
  return text(path)?.split(' › ') ?? []
}

export function passageOf(chunk: { source: string; content: string; metadata?: Record<string, unknown> }): Passage {
  const collection = text(chunk.metadata?.['collection'])
  const title = text(chunk.metadata?.['title'])
  return {
    source: chunk.source,
    content: chunk.content,
    headings: headingsOf(chunk.metadata),
    ...(collection === undefined ? {} : { collection }),
    ...(title === undefined ? {} : { title }),
  }
}
