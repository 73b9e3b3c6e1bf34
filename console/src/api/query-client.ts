import { QueryClient } from '@tanstack/react-query'
import { ApiError } from '@/api/error'

/** Tries again what may succeed later, a few times; what the server has refused is refused. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        retry: (failures, error) => failures < 3 && error instanceof ApiError && error.isRetryable,
        retryDelay: (failures, error) =>
          (error instanceof ApiError ? error.more.retryAfterMs : undefined) ?? Math.min(500 * 2 ** failures, 8_000),
        staleTime: 5_000,
        // The console is often served from the machine it runs on, where "offline" says nothing.
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  })
}
