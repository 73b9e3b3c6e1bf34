/** Lets the browser draw a frame and hear a key before long work goes on. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    // A message waits for no timer's least delay, and lets what is more urgent go first.
    port2.postMessage(undefined)
  })
}
