import { LivePage } from '@/features/live/live-page'

/** Composes what features/live shows of one session with the conversation, which it may not import itself. */
export function LiveSessionPage() {
  return <LivePage />
}
