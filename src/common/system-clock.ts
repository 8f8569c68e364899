import { type Clock, expectTimer, type Timer, type TimerOptions } from './clock.js'
import { afterLoop, hostTimers, monotonic } from './host.js'
import { turnsOf } from './turns.js'

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

/**
 * An answer may need a few turns, each for all who wait for theirs, from the socket to whoever
 * waits for it.
 */
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
