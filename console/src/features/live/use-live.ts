import { useEffect } from 'react'
import { liveFeed, type LiveFeedState } from '@/api/live-feed'
import { useStore } from '@/lib/store'

/** The sessions in progress, kept up to date while the component is there. */
export function useLive(): LiveFeedState {
  useEffect(() => liveFeed.watch(), [])
  return useStore(liveFeed.state)
}
