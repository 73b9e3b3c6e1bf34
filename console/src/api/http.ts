import * as z from 'zod/mini'
import { ApiError } from '@/api/error'
import { ErrorBody } from '@/api/schemas/error'
import { access, refuseToken } from '@/api/token'

type Values = Record<string, string | number | boolean | undefined>

export type RequestOptions = {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  query?: Values
  /** Sent as JSON, or as it is where it is a form. */
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
  /** How long to wait for the answer; a stream has no such end. */
  timeoutMs?: number | undefined
}

const TIMEOUT_MS = 30_000

/** Asks the server and parses what it says. Every failure is an `ApiError`. */
export async function request<T>(path: string, schema: z.ZodMiniType<T>, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options)
  let body: unknown
  try {
    body = await response.json()
  } catch (cause) {
    throw new ApiError('NOT_UNDERSTOOD', 'The server answered with something that is no JSON.', {
      status: response.status,
      cause,
    })
  }
  return parse(schema, body, path)
}

/** Asks the server where nothing is said in answer. */
export async function requestNothing(path: string, options: RequestOptions = {}): Promise<void> {
  await send(path, options)
}

/** The answer as it comes, its status already looked at: for streams and for files. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const { token } = access.get()
  const headers = new Headers(options.headers)
  if (!headers.has('accept')) headers.set('accept', 'application/json')
  if (token) headers.set('authorization', `Bearer ${token}`)
  const isForm = options.body instanceof FormData
  if (options.body !== undefined && !isForm) headers.set('content-type', 'application/json')
  const timeoutMs = 'timeoutMs' in options ? options.timeoutMs : TIMEOUT_MS
  const signals = [options.signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)]
  let response: Response
  try {
    response = await fetch(withQuery(path, options.query), {
      method: options.method ?? 'GET',
      headers,
      body: options.body === undefined ? null : isForm ? (options.body as FormData) : JSON.stringify(options.body),
      signal: AbortSignal.any(signals.filter((signal) => signal !== undefined)),
      credentials: 'same-origin',
    })
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    if (cause instanceof DOMException && cause.name === 'TimeoutError') {
      throw new ApiError('TIMEOUT', 'The server did not answer in time.', { cause })
    }
    throw new ApiError('UNREACHABLE', 'The server cannot be reached.', { cause })
  }
  if (response.ok) return response
  if (response.status === 401) refuseToken(token)
  throw await failure(response)
}

export function parse<T>(schema: z.ZodMiniType<T>, body: unknown, what: string): T {
  const parsed = z.safeParse(schema, body)
  if (parsed.success) return parsed.data
  const first = parsed.error.issues[0]
  const where = first ? `${first.path.join('.')}: ${first.message}` : ''
  throw new ApiError('NOT_UNDERSTOOD', `The server's answer to ${what} could not be understood (${where}).`, {
    cause: parsed.error,
  })
}

/** What an answer that is none says. */
export async function failure(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retry = Number.isFinite(retryAfter) ? { retryAfterMs: retryAfter * 1000 } : {}
  const body: unknown = await response.json().catch(() => undefined)
  const parsed = z.safeParse(ErrorBody, body)
  if (!parsed.success) {
    // What stands before the server, a proxy for one, answers in its own words.
    const code = response.status >= 502 && response.status <= 504 ? 'UNREACHABLE' : 'NOT_UNDERSTOOD'
    return new ApiError(code, `The server answered with status ${response.status}.`, { status: response.status, ...retry })
  }
  const { code, message, details, requestId } = parsed.data.error
  return new ApiError(code, message, {
    status: response.status,
    requestId,
    ...(details ? { details } : {}),
    ...retry,
  })
}

function withQuery(path: string, query: Values = {}): string {
  const pairs = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') pairs.set(name, String(value))
  }
  const text = pairs.toString()
  return text ? `${path}?${text}` : path
}
