import { describe, expect, it } from 'vitest'
import { asMissingPart, part } from './missing-part'

describe('a part that is missing', () => {
  it.each([
    ['Chromium', 'Failed to fetch dynamically imported module: http://127.0.0.1:8000/assets/agents-page-AbC.js', '/assets/agents-page-AbC.js'],
    ['Firefox', 'error loading dynamically imported module: http://127.0.0.1:8000/assets/x.js', '/assets/x.js'],
    ['Safari', 'Importing a module script failed.', 'Importing a module script failed.'],
    ['Vite', 'Unable to preload CSS for /assets/turn-graph-x.css', '/assets/turn-graph-x.css'],
  ])('is known by the words of %s', (_name, message, file) => {
    expect(asMissingPart(new TypeError(message))?.file).toBe(file)
  })

  it('is not what else may go wrong', async () => {
    expect(asMissingPart(new Error('x is not a function'))).toBeUndefined()
    const broken = new Error('x is not a function')
    await expect(part(() => Promise.reject(broken))()).rejects.toBe(broken)
    await expect(part(() => Promise.resolve(1))()).resolves.toBe(1)
  })
})
