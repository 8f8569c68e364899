import { vi } from 'vitest'

/** Asks again until the assertions in `probe` hold, and returns what it found. What a cluster has decided need not be known to all of it at once. */
export function eventually<T>(probe: () => Promise<T>): Promise<T> {
  return vi.waitFor(probe, { timeout: 20_000, interval: 10 })
}
