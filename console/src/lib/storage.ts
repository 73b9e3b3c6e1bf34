/** A browser may refuse its storage (private windows, a full disk, a policy); the console then forgets, and works. */
export function readStored(storage: 'local' | 'session', key: string): string | undefined {
  try {
    return area(storage).getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

export function writeStored(storage: 'local' | 'session', key: string, value: string | undefined): void {
  try {
    if (value === undefined) area(storage).removeItem(key)
    else area(storage).setItem(key, value)
  } catch {
    // Nothing to do: the value lives until the tab is closed.
  }
}

function area(storage: 'local' | 'session'): Storage {
  return storage === 'local' ? window.localStorage : window.sessionStorage
}
