import * as z from 'zod/mini'
import type * as wire from '@/api/generated/wire'
import type { Same } from '@/api/schemas/same'

export const ErrorCode = z.enum([
  'VALIDATION_ERROR',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'CONFLICT',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'RATE_LIMITED',
  'INTERNAL_ERROR',
  'UPSTREAM_ERROR',
  'OVERLOADED',
  'TIMEOUT',
])

export const ErrorBody = z.object({
  error: z.object({
    code: ErrorCode,
    message: z.string(),
    details: z.exactOptional(z.array(z.object({ field: z.string(), message: z.string() }))),
    timestamp: z.string(),
    requestId: z.string(),
  }),
})

true satisfies Same<z.infer<typeof ErrorBody>, wire.ErrorBody>
