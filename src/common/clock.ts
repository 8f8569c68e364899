import { onAbort } from './abort.js'

/** A timer that has been set and can be cancelled; cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

export interface TimerOptions {
  /** Whether a pending timer keeps the process alive. Default: `false`; housekeeping must not hold up an exit. */
  readonly keepAlive?: boolean
}

/**
 * Where all of millrace takes its time from, so that a test can turn the hands itself (`VirtualClock` in `millrace/testing`).
 * One clock is passed to `Cluster.open` and on to every part.
 *
 * It has two hands. `now` is the date, which people, NTP and tests set back and forward: it only goes into records, commits and
 * other things that are kept, and decides what retention removes. `monotonic` never goes back: every timeout, deadline, interval
 * and backoff is measured by it.
 */
export interface Clock {
  /** Wall time: milliseconds since 1970, as in `Date.now()`. It may jump in both directions. */
  now(): number
  /** Milliseconds, with fractions, since a moment of the clock's own choice. Never less than before. */
  monotonic(): number
  /** Calls `callback` once, `delayMs` milliseconds of `monotonic` from now, never synchronously. */
  setTimer(delayMs: number, callback: () => void, options?: TimerOptions): Timer
}

const { performance } = globalThis

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback, options) {
    const handle = setTimeout(callback, Math.min(delayMs, longestDelayMs))
    if (!options?.keepAlive) handle.unref?.()
    return { cancel: () => clearTimeout(handle) }
  }
}

/** Node fires a timer at once when its delay does not fit 31 bits. */
const longestDelayMs = 2 ** 31 - 1

/** Resolves after `delayMs` on the clock; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal, options?: TimerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = clock.setTimer(
      delayMs,
      () => {
        unlisten?.()
        resolve()
      },
      options
    )
    const unlisten =
      signal &&
      onAbort(signal, () => {
        timer.cancel()
        reject(signal.reason)
      })
  })
}
