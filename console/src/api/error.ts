import type { ErrorCode, FieldError } from '@/api/generated/wire'

/**
 * Why a request had no good answer. Either the server said so, in its one error shape, or it could not be reached, or what it
 * said could not be understood.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  constructor(
    readonly code: ErrorCode | 'UNREACHABLE' | 'NOT_UNDERSTOOD',
    message: string,
    readonly more: {
      status?: number
      details?: FieldError[]
      requestId?: string
      retryAfterMs?: number
      cause?: unknown
    } = {},
  ) {
    super(message, { cause: more.cause })
  }

  /** Whether the same request may succeed later. */
  get isRetryable(): boolean {
    switch (this.code) {
      case 'UNREACHABLE':
      case 'OVERLOADED':
      case 'RATE_LIMITED':
      case 'TIMEOUT':
      case 'UPSTREAM_ERROR':
        return true
      default:
        return false
    }
  }
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError('NOT_UNDERSTOOD', error instanceof Error ? error.message : String(error), { cause: error })
}
