import { onAbort } from './abort.js'
import { expectFunction, shown } from './options.js'

/**
 * A timer that has been set and can be cancelled; cancelling twice, or after it fired, does
 * nothing.
 */
export interface Timer {
  cancel(): void
}

export interface TimerOptions {
  /**
   * True if a pending timer keeps the process alive. Default: `false`; housekeeping must not hold
   * up an exit.
   */
  readonly keepAlive?: boolean
  /**
   * True if the callback gives up on something, as the end of a timeout does. A process that stood
   * still (a long computation, a breakpoint, SIGSTOP) finds its timers due before it has read what
   * came meanwhile; so when such a timer falls due, the event loop first takes in what is there. If
   * that cancels the timer, the callback is not called. Default: `false`.
   */
  readonly givesUp?: boolean
}

/**
 * The source of time for all of millrace, which a test can replace (`VirtualClock` in
 * `millrace/testing`). One clock is passed to `Cluster.open` and on to every part.
 *
 * It has two hands. `now` is the date, which people, NTP and tests set back and forward: it only
 * goes into records, commits and other things that are kept, and decides what retention removes.
 * `monotonic` never goes back: every timeout, deadline, interval and backoff is measured by it.
 */
export interface Clock {
  /** Wall time: whole milliseconds since 1970, UTC. It may jump in both directions. */
  now(): number
  /**
   * Milliseconds, with fractions, since a moment of the clock's own choice. Never less than before.
   */
  monotonic(): number
  /**
   * Calls `callback` once, when `delayMs` milliseconds of `monotonic` have passed, never
   * synchronously.
   */
  setTimer(delayMs: number, callback: () => void, options?: TimerOptions): Timer
  /**
   * Milliseconds by which clients share the processor, for a clock whose time is not real: a
   * measure that grows with each call, the same in every run. Default: the machine's own time.
   */
  sliceTime?(): number
}

/** Checks what a timer is set with. Any number will do: one below 0 counts as 0. */
export function expectTimer(delayMs: number, callback: () => void): void {
  if (typeof delayMs !== 'number' || Number.isNaN(delayMs))
    throw new TypeError(`Expected \`delayMs\` to be a number, got ${shown(delayMs)}`)
  expectFunction('callback', callback)
}

/** Checks a clock that a user gave. */
export function expectClock(clock: Clock): void {
  for (const name of ['now', 'monotonic', 'setTimer'] as const) {
    if (typeof clock?.[name] === 'function') continue
    throw new TypeError(`Expected \`clock\` to have a function \`${name}\`, got ${shown(clock)} without one`)
  }
}

/**
 * Settles as `act` does; rejects with what `late` makes when that takes longer than `timeoutMs`.
 */
export async function within<T>(clock: Clock, timeoutMs: number, late: () => Error, act: () => Promise<T>, keepAlive = true): Promise<T> {
  let timer: Timer | undefined
  const overdue = new Promise<never>((_, reject) => {
    timer = clock.setTimer(timeoutMs, () => reject(late()), { keepAlive, givesUp: true })
  })
  try {
    return await Promise.race([act(), overdue])
  } finally {
    timer?.cancel()
  }
}

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
