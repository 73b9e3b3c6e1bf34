import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import * as z from 'zod/mini'
import { request, requestNothing } from '@/api/http'

const Feedback = z.object({
  messageId: z.string(),
  rating: z.enum(['up', 'down']),
  reason: z.exactOptional(z.string()),
  at: z.string(),
})
export type Feedback = z.infer<typeof Feedback>
export type Rating = Feedback['rating']
const FeedbackList = z.object({ feedback: z.array(Feedback), hasMore: z.boolean() })

const feedbackQuery = (sessionId: string) =>
  queryOptions({
    queryKey: ['feedback', sessionId],
    queryFn: async ({ signal }) => {
      const { feedback } = await request(`/api/session/${sessionId}/feedback`, FeedbackList, { signal })
      return new Map(feedback.map((one) => [one.messageId, one]))
    },
    staleTime: Infinity,
  })

/** Two who have a session open agree on what is thought of its answers after so long. */
const OTHERS_MS = 5_000

/** Looks again and again for what others think of the answers of a session: once for all of them. */
export function useFeedbackOfOthers(sessionId: string, hasAnswers: boolean) {
  useQuery({ ...feedbackQuery(sessionId), enabled: hasAnswers, refetchInterval: OTHERS_MS, notifyOnChangeProps: [] })
}

const path = (sessionId: string, messageId: string) => `/api/session/${sessionId}/messages/${messageId}/feedback`

/** What was thought of one answer. A change is shown at once, and taken back where the server does not take it. */
export function useFeedback(sessionId: string, messageId: string) {
  const queryClient = useQueryClient()
  const { queryKey } = feedbackQuery(sessionId)
  const { data: given } = useQuery({ ...feedbackQuery(sessionId), select: (all) => all.get(messageId) })
  const mutation = useMutation({
    mutationFn: async (next: { rating: Rating; reason?: string } | undefined) => {
      if (next) await request(path(sessionId, messageId), Feedback, { method: 'PUT', body: next })
      else await requestNothing(path(sessionId, messageId), { method: 'DELETE' })
    },
    onMutate: async (next) => {
      await queryClient.cancelQueries({ queryKey })
      const before = queryClient.getQueryData<Map<string, Feedback>>(queryKey)
      const after = new Map(before)
      if (next) after.set(messageId, { messageId, at: new Date().toISOString(), ...next })
      else after.delete(messageId)
      queryClient.setQueryData(queryKey, after)
      return before
    },
    onError: (_error, _next, before) => queryClient.setQueryData(queryKey, before),
    // What was read meanwhile may be from before it was stored.
    onSettled: () => queryClient.invalidateQueries({ queryKey }),
  })
  return { given, give: mutation.mutate, giveAsync: mutation.mutateAsync, isBusy: mutation.isPending, error: mutation.error }
}
