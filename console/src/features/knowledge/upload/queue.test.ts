import { describe, expect, it } from 'vitest'
import type { UploadReport } from '@/api/schemas/knowledge'
import { changed, EMPTY_QUEUE, outcome, summary, type FileState } from './queue'

const file = (path: string) => ({ path, file: new File(['x'], path) })
const add = (...paths: string[]) => ({ type: 'add', collection: 'technical', files: paths.map(file) }) as const
const report: UploadReport = { documents: [], added: 0, updated: 0, unchanged: 0, problems: [], revision: 1 }

describe('the queue of an upload', () => {
  it('has each place once, and never drops what is under way', () => {
    let queue = changed(EMPTY_QUEUE, add('a.md', 'b.md'))
    queue = changed(queue, { type: 'set', id: 1, state: { kind: 'reading' } })
    queue = changed(queue, add('a.md', 'b.md'))
    expect(queue.files.map(({ id, path }) => [id, path])).toEqual([[1, 'a.md'], [3, 'a.md'], [4, 'b.md']])
    queue = changed(queue, { type: 'remove', id: 1 })
    queue = changed(queue, { type: 'clear' })
    expect(queue.files.map(({ id }) => id)).toEqual([1])
  })

  it('keeps files of the same path apart where their collections differ', () => {
    const queue = changed(changed(EMPTY_QUEUE, add('a.md')), { type: 'add', collection: 'policy', files: [file('a.md')] })
    expect(queue.files.map((one) => one.collection)).toEqual(['technical', 'policy'])
  })

  it('stops what has not been taken in, and takes it up again', () => {
    let queue = changed(EMPTY_QUEUE, add('a.md', 'b.md', 'c.md'))
    queue = changed(queue, { type: 'set', id: 1, state: { kind: 'taken', as: 'added', documentId: 'x', remarks: [] } })
    queue = changed(queue, { type: 'set', id: 2, state: { kind: 'sending', share: 0.5 } })
    queue = changed(queue, { type: 'stop' })
    expect(summary(queue)).toEqual({ all: 3, done: 3, taken: 1, wrong: 0, isUnderWay: false })
    queue = changed(queue, { type: 'again' })
    expect(queue.files.map((one) => one.state.kind)).toEqual(['taken', 'waiting', 'waiting'])
  })
})

describe('the outcome of a file', () => {
  it.each<[string, Partial<UploadReport>, FileState]>([
    ['new', { documents: ['d'], added: 1 }, { kind: 'taken', as: 'added', documentId: 'd', remarks: [] }],
    ['replaced', { documents: ['d'], updated: 1 }, { kind: 'taken', as: 'updated', documentId: 'd', remarks: [] }],
    ['as it was', { documents: ['d'], unchanged: 1 }, { kind: 'taken', as: 'unchanged', documentId: 'd', remarks: [] }],
    [
      'read in part',
      { documents: ['d'], added: 1, problems: [{ path: 'a.pdf', reason: 'page 3 is a picture', skipped: false }] },
      { kind: 'taken', as: 'added', documentId: 'd', remarks: ['page 3 is a picture'] },
    ],
    [
      'no file that is read',
      { problems: [{ path: 'a.exe', reason: 'it is no document', skipped: true }] },
      { kind: 'refused', reasons: ['it is no document'] },
    ],
  ])('%s', (_, more, expected) => {
    expect(outcome({ ...report, ...more })).toEqual(expected)
  })
})
