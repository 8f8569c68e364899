import { onAbort } from './abort.js'
import { afterLoop, hostTimers, monotonic } from './host.js'
import { expectFunction, shown } from './options.js'
import { turnsOf } from './turns.js'

/** A timer that has been set and can be cancelled; cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

export interface TimerOptions {
  /** Whether a pending timer keeps the process alive. Default: `false`; housekeeping must not hold up an exit. */
  readonly keepAlive?: boolean
  /**
   * Whether the callback gives up on something, as the end of a timeout does. A process that stood
   * still (a long computation, a breakpoint, SIGSTOP) finds its timers due before it has read what
   * came meanwhile; so when such a timer falls due, the event loop first takes in what is there. If
   * that cancels the timer, the callback is not called. Default: `false`.
   */
  readonly givesUp?: boolean
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
  /** Wall time: whole milliseconds since 1970, as in `Date.now()`. It may jump in both directions. */
  now(): number
  /** Milliseconds, with fractions, since a moment of the clock's own choice. Never less than before. */
  monotonic(): number
  /** Calls `callback` once, when `delayMs` milliseconds of `monotonic` have passed, never synchronously. */
  setTimer(delayMs: number, callback: () => void, options?: TimerOptions): Timer
  /**
   * Milliseconds by which clients share the processor, for a clock whose time is not real: a measure that grows with each call, the same in
   * every run. Default: the machine's own time.
   */
  sliceTime?(): number
}

/**
 * The clock of the machine. Under a test runner's fake timers (vitest, Jest, Sinon, node:test) the
 * date is the one that the test has set; `monotonic` and timers stay real, so that sends, polls and
 * `close` go on while the test advances nothing. A test that wants to turn time passes a
 * `VirtualClock` to `Cluster.open`.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic,
  setTimer: (delayMs, callback, options) => new SystemTimer(delayMs, callback, options)
}

/** Hosts fire a timer at once when its delay does not fit 31 bits. */
const longestDelayMs = 2 ** 31 - 1

/** An answer may need a few turns, each for all who wait for theirs, from the socket to whoever waits for it. */
const turnsBeforeGivingUp = 3

class SystemTimer implements Timer {
  readonly #callback: () => void
  readonly #dueAt: number
  readonly #keepAlive: boolean
  #handle: unknown
  #turnsLeft: number
  #isCancelled = false
  readonly #fire = () => {
    const leftMs = this.#dueAt - monotonic()
    if (leftMs > 0) this.#arm(leftMs)
    else this.#go()
  }
  readonly #go = () => {
    if (this.#isCancelled) return
    if (this.#turnsLeft-- > 0) afterLoop(() => turnsOf(systemClock).add({ resume: this.#go }))
    else this.#callback()
  }

  constructor(delayMs: number, callback: () => void, { keepAlive = false, givesUp = false }: TimerOptions = {}) {
    expectTimer(delayMs, callback)
    this.#callback = callback
    this.#dueAt = monotonic() + delayMs
    this.#keepAlive = keepAlive
    this.#turnsLeft = givesUp ? turnsBeforeGivingUp : 0
    this.#arm(delayMs)
  }

  cancel(): void {
    this.#isCancelled = true
    hostTimers.clear(this.#handle)
  }

  #arm(delayMs: number): void {
    this.#handle = hostTimers.set(this.#fire, Math.min(Math.ceil(delayMs), longestDelayMs), this.#keepAlive)
  }
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

/** Settles as `act` does; rejects with what `late` makes when that takes longer than `timeoutMs`. */
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
