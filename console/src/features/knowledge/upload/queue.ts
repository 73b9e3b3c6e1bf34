import type { UploadReport } from '@/api/schemas/knowledge'

/** How one file of an upload stands. */
export type FileState =
  | { kind: 'waiting' }
  | { kind: 'sending'; share: number }
  /** It has arrived; the server reads it. */
  | { kind: 'reading' }
  | { kind: 'taken'; as: 'added' | 'updated' | 'unchanged'; documentId: string | undefined; remarks: string[] }
  | { kind: 'refused'; reasons: string[] }
  /** Not the file's fault: it may be sent again. */
  | { kind: 'failed'; reason: string }
  | { kind: 'stopped' }

export type QueuedFile = { id: number; path: string; collection: string; file: File; state: FileState }

export type UploadAction =
  | { type: 'add'; files: { path: string; file: File }[]; collection: string }
  | { type: 'set'; id: number; state: FileState }
  | { type: 'remove'; id: number }
  | { type: 'stop' }
  /** What failed or was stopped waits again. */
  | { type: 'again' }
  | { type: 'clear' }

export type UploadQueue = { files: QueuedFile[]; nextId: number }

export const EMPTY_QUEUE: UploadQueue = { files: [], nextId: 1 }

const isUnderWay = ({ state }: QueuedFile) => state.kind === 'sending' || state.kind === 'reading'

export function changed(queue: UploadQueue, action: UploadAction): UploadQueue {
  switch (action.type) {
    case 'add': {
      // The same place chosen twice is one file: the later choice stands.
      const places = new Set(action.files.map(({ path }) => path))
      const kept = queue.files.filter(
        (one) => isUnderWay(one) || one.collection !== action.collection || !places.has(one.path),
      )
      const fresh = action.files.map(({ path, file }, at) => ({
        id: queue.nextId + at,
        path,
        file,
        collection: action.collection,
        state: { kind: 'waiting' } as const,
      }))
      return { files: [...kept, ...fresh], nextId: queue.nextId + fresh.length }
    }
    case 'set':
      return { ...queue, files: queue.files.map((one) => (one.id === action.id ? { ...one, state: action.state } : one)) }
    case 'remove':
      return { ...queue, files: queue.files.filter((one) => one.id !== action.id || isUnderWay(one)) }
    case 'stop':
      return {
        ...queue,
        files: queue.files.map((one) =>
          one.state.kind === 'waiting' || isUnderWay(one) ? { ...one, state: { kind: 'stopped' } } : one,
        ),
      }
    case 'again':
      return {
        ...queue,
        files: queue.files.map((one) =>
          one.state.kind === 'failed' || one.state.kind === 'stopped' ? { ...one, state: { kind: 'waiting' } } : one,
        ),
      }
    case 'clear':
      return { ...queue, files: queue.files.filter(isUnderWay) }
  }
}

/** What became of a file that was sent alone. */
export function outcome(report: UploadReport): FileState {
  const [documentId] = report.documents
  const reasons = report.problems.map((problem) => problem.reason)
  if (documentId === undefined && report.added + report.updated + report.unchanged === 0) return { kind: 'refused', reasons }
  const as = report.added > 0 ? 'added' : report.updated > 0 ? 'updated' : 'unchanged'
  return { kind: 'taken', as, documentId, remarks: reasons }
}

export type Summary = { all: number; done: number; taken: number; wrong: number; isUnderWay: boolean }

export function summary({ files }: UploadQueue): Summary {
  const count = (kinds: FileState['kind'][]) => files.filter((one) => kinds.includes(one.state.kind)).length
  const taken = count(['taken'])
  const wrong = count(['refused', 'failed'])
  return { all: files.length, done: taken + wrong + count(['stopped']), taken, wrong, isUnderWay: files.some(isUnderWay) }
}
