import { ApiError } from '@/api/error'
import { failure, parse } from '@/api/http'
import { UploadReport } from '@/api/schemas/knowledge'
import { access, refuseToken } from '@/api/token'

const PATH = '/api/knowledge/documents'
/** A large PDF on a slow line, and its reading. */
const TIMEOUT_MS = 10 * 60_000

/**
 * Sends one file and waits until it is taken in. `onProgress` hears the share that has left, 1 when only the server works.
 * XMLHttpRequest, since `fetch` tells nothing of what leaves.
 */
export function uploadDocument(
  { collection, path, file }: { collection: string; path: string; file: Blob },
  { signal, onProgress }: { signal: AbortSignal; onProgress: (share: number) => void },
): Promise<UploadReport> {
  const form = new FormData()
  form.set('collection', collection)
  form.set('file', file, path)
  const { token } = access.get()
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const abort = () => xhr.abort()
    const fail = (error: Error) => {
      signal.removeEventListener('abort', abort)
      reject(error)
    }
    xhr.open('POST', PATH)
    xhr.timeout = TIMEOUT_MS
    xhr.setRequestHeader('accept', 'application/json')
    if (token) xhr.setRequestHeader('authorization', `Bearer ${token}`)
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onProgress(event.loaded / event.total)
    }
    xhr.upload.onload = () => onProgress(1)
    xhr.onload = () => {
      signal.removeEventListener('abort', abort)
      if (xhr.status === 401) refuseToken(token)
      resolve(answer(xhr))
    }
    xhr.onerror = () => fail(new ApiError('UNREACHABLE', 'The server cannot be reached.'))
    xhr.ontimeout = () => fail(new ApiError('TIMEOUT', 'The server did not answer in time.'))
    xhr.onabort = () => fail(stopped())
    if (signal.aborted) {
      fail(stopped())
      return
    }
    signal.addEventListener('abort', abort, { once: true })
    xhr.send(form)
  })
}

const stopped = () => new DOMException('The upload was stopped.', 'AbortError')

async function answer(xhr: XMLHttpRequest): Promise<UploadReport> {
  const retryAfter = xhr.getResponseHeader('retry-after')
  const response = new Response(xhr.responseText, {
    status: xhr.status,
    headers: retryAfter === null ? {} : { 'retry-after': retryAfter },
  })
  if (!response.ok) throw await failure(response)
  return parse(UploadReport, await response.json().catch(() => undefined), PATH)
}
