/** Comes back in another task, so that what waits (a key, a finger, a paint) has its turn in between. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}
