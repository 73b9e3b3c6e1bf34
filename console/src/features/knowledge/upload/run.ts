import { ApiError, asApiError } from '@/api/error'
import { uploadDocument } from '@/api/upload'
import { createStore, useStore } from '@/lib/store'
import { changed, EMPTY_QUEUE, outcome, type QueuedFile, type UploadAction, type UploadQueue } from './queue'

/** Lives beside the pages: an upload goes on while something else is looked at. */
const queue = createStore<UploadQueue>(EMPTY_QUEUE)
let running: AbortController | undefined

const RETRIES = 5
const RETRY_MS = 2_000

export function useUploads(): UploadQueue {
  return useStore(queue)
}

export function change(action: UploadAction): void {
  if (action.type === 'stop') running?.abort()
  queue.set((now) => changed(now, action))
}

/** Sends what waits, one file after the other, so that each has its own result. `onTaken` hears of each that was taken in. */
export async function run(onTaken: () => void): Promise<void> {
  if (running) return
  running = new AbortController()
  window.addEventListener('beforeunload', warn)
  try {
    for (let next = waiting(); next; next = waiting()) {
      if (await take(next, running.signal)) onTaken()
    }
  } finally {
    running = undefined
    window.removeEventListener('beforeunload', warn)
  }
}

const waiting = () => queue.get().files.find((one) => one.state.kind === 'waiting')

const warn = (event: BeforeUnloadEvent) => event.preventDefault()

async function take(one: QueuedFile, signal: AbortSignal): Promise<boolean> {
  const set = (state: QueuedFile['state']) => change({ type: 'set', id: one.id, state })
  for (let attempt = 1; ; attempt += 1) {
    set({ kind: 'sending', share: 0 })
    try {
      const report = await uploadDocument(one, {
        signal,
        onProgress: (share) => set(share < 1 ? { kind: 'sending', share } : { kind: 'reading' }),
      })
      set(outcome(report))
      return report.added + report.updated > 0
    } catch (error) {
      if (signal.aborted) {
        set({ kind: 'stopped' })
        return false
      }
      const failure = asApiError(error)
      if (isWorthWaiting(failure) && attempt <= RETRIES) {
        await wait(failure.more.retryAfterMs ?? RETRY_MS, signal)
        continue
      }
      set(isOfTheFile(failure) ? { kind: 'refused', reasons: reasons(failure) } : { kind: 'failed', reason: failure.message })
      return false
    }
  }
}

/** Somebody else's upload holds the place, or the server is just starting. */
const isWorthWaiting = ({ code }: ApiError) => code === 'OVERLOADED' || code === 'RATE_LIMITED'

const isOfTheFile = ({ code }: ApiError) => code === 'VALIDATION_ERROR' || code === 'PAYLOAD_TOO_LARGE'

function reasons(failure: ApiError): string[] {
  const details = failure.more.details ?? []
  return details.length > 0 ? details.map(({ field, message }) => `${field} ${message}`) : [failure.message]
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    }, { once: true })
  })
}
