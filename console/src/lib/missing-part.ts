/** A part of the console could not be loaded: the server is away, or has the parts of another version. */
export class MissingPart extends Error {
  override readonly name = 'MissingPart'

  constructor(
    /** Which file, as far as the browser says it. */
    readonly file: string,
    cause: unknown,
  ) {
    super('A part of the console could not be loaded.', { cause })
  }
}

/** What an error is, where a module could not be fetched; each browser has its own words for that. */
export function asMissingPart(error: unknown): MissingPart | undefined {
  if (error instanceof MissingPart) return error
  if (!(error instanceof Error)) return undefined
  if (!/dynamically imported module|module script failed|preload CSS/i.test(error.message)) return undefined
  return new MissingPart(/\/assets\/[^\s'"]+/.exec(error.message)?.[0] ?? error.message, error)
}

/**
 * The same, with an error of ours where a part cannot be had: the router would load the page anew for the browser's own, and
 * that also while the server is away.
 */
export function part<T>(load: () => Promise<T>): () => Promise<T> {
  return () =>
    load().catch((error: unknown) => {
      throw asMissingPart(error) ?? error
    })
}
