import { type Clock, expectClock, type Timer, type TimerOptions } from './clock.js'
import { type AnswerKind, answerOf, numberOf, tellFailed } from './foreign.js'
import { systemClock } from './system-clock.js'

const guarded = new WeakMap<Clock, Clock>()

/**
 * A clock that a user gave, checked. Where one of its functions throws or gives no number, the
 * machine's own goes on from there, and the process is warned: deadlines of what is half done rest
 * on it.
 */
export function guardedClock(clock: Clock): Clock {
  expectClock(clock)
  if (clock === systemClock || clock instanceof GuardedClock) return clock
  let known = guarded.get(clock)
  if (!known) guarded.set(clock, (known = new GuardedClock(clock)))
  return known
}

class GuardedClock implements Clock {
  readonly sliceTime?: () => number
  readonly #clock: Clock
  #latest = Number.NEGATIVE_INFINITY
  /** By how much it was ahead of the machine's when it failed. */
  #ahead = 0
  #hasFailed = false
  readonly #askNow = () => this.#clock.now()
  readonly #askMonotonic = () => this.#clock.monotonic()
  readonly #goOn = () => {
    const machine = systemClock.monotonic()
    if (!this.#hasFailed) this.#ahead = Number.isFinite(this.#latest) ? this.#latest - machine : 0
    this.#hasFailed = true
    return machine + this.#ahead
  }

  constructor(clock: Clock) {
    this.#clock = clock
    if (clock.sliceTime === undefined) return
    const ask = () => clock.sliceTime!()
    this.sliceTime = () => numberOf('clock.sliceTime', ask, systemClock.monotonic)
  }

  now(): number {
    return numberOf('clock.now', this.#askNow, systemClock.now)
  }

  monotonic(): number {
    this.#latest = Math.max(this.#latest, numberOf('clock.monotonic', this.#askMonotonic, this.#goOn))
    return this.#latest
  }

  setTimer(delayMs: number, callback: () => void, options?: TimerOptions): Timer {
    const ask = () => this.#clock.setTimer(delayMs, callback, options)
    return new GuardedTimer(answerOf('clock.setTimer', timer, ask, () => systemClock.setTimer(delayMs, callback, options)))
  }
}

class GuardedTimer implements Timer {
  readonly #timer: Timer

  constructor(timer: Timer) {
    this.#timer = timer
  }

  cancel(): void {
    try {
      this.#timer.cancel()
    } catch (error) {
      tellFailed('timer.cancel', error)
    }
  }
}

const timer: AnswerKind<Timer> = {
  name: 'a timer',
  fits: (answer): answer is Timer => typeof (answer as Partial<Timer> | null | undefined)?.cancel === 'function'
}
