import { type Clock, expectTimer, type Timer } from '../common/clock.js'
import { afterLoop } from '../common/host.js'
import { expectInteger } from '../common/options.js'
import { turnsOf } from '../common/turns.js'

/**
 * A clock that stands still until a test moves it, so that timeouts of hours pass in no time and in
 * the same order every time.
 *
 * ```ts
 * const clock = new VirtualClock()
 * const cluster = await Cluster.open({ clock })
 * await clock.advance(45_000)
 * ```
 */
export class VirtualClock implements Clock {
  /** Wall time at the moment that `monotonic` counts from. */
  #startMs: number
  #monotonic = 0
  #sliceTime = 0
  #nextId = 0
  readonly #timers: VirtualTimer[] = []

  /** Starts at `startMs`, milliseconds since 1970. Default: the first of January 2024. */
  constructor(startMs = Date.UTC(2024, 0, 1)) {
    expectInteger('startMs', startMs, 0)
    this.#startMs = startMs
  }

  /**
   * Wall time, in milliseconds since 1970: goes on with `advance`, and jumps with `stepWallClock`.
   */
  now(): number {
    return this.#startMs + this.#monotonic
  }

  /** Milliseconds that the clock has been advanced by. */
  monotonic(): number {
    return this.#monotonic
  }

  /** Grows a little with each look, so that clients take turns in the same way in every run. */
  sliceTime(): number {
    return (this.#sliceTime += msPerLook)
  }

  /** The number of timers that are set. */
  get timerCount(): number {
    return this.#timers.length
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    expectTimer(delayMs, callback)
    // This clock shows whole milliseconds, whatever chance has added to a delay.
    const timer = { due: this.#monotonic + Math.max(0, Math.ceil(delayMs)), id: this.#nextId++, callback }
    let place = this.#timers.length
    while (place > 0 && this.#timers[place - 1].due > timer.due) place--
    this.#timers.splice(place, 0, timer)
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer)
        if (index >= 0) this.#timers.splice(index, 1)
      }
    }
  }

  /**
   * Moves time on by `ms`, a non-negative integer: fires every timer that falls due, each at its
   * time and in order, those that timers set among them; and lets what they set in motion settle in
   * between, as far as it waits for promises and not for input or output. Calls that overlap share
   * the way, each to the time that was `ms` ahead when it was made: the clock never runs backwards.
   */
  async advance(ms: number): Promise<void> {
    expectInteger('ms', ms, 0)
    const end = this.#monotonic + ms
    await this.#settle()
    while (this.#timers.length > 0 && this.#timers[0].due <= end) {
      const timer = this.#timers.shift() as VirtualTimer
      this.#monotonic = Math.max(this.#monotonic, timer.due)
      timer.callback()
      await this.#settle()
    }
    this.#monotonic = Math.max(this.#monotonic, end)
    await this.#settle()
  }

  /**
   * Sets the wall clock forward by `ms`, or back if it is negative, not before 1970, as NTP or an
   * operator does to that of a machine. No time passes: `monotonic` stays, and no timer fires.
   */
  stepWallClock(ms: number): void {
    expectInteger('ms', ms, -this.now(), Number.MAX_SAFE_INTEGER - this.now())
    this.#startMs += ms
  }

  /** Until nobody waits for a turn; clients that never stop are not waited for. */
  async #settle(): Promise<void> {
    const turns = turnsOf(this)
    for (let round = 0; round < mostRounds; round++) {
      await roundOfTheLoop()
      if (turns.isIdle) return
    }
  }
}

const msPerLook = 0.05
const mostRounds = 1000

interface VirtualTimer {
  readonly due: number
  readonly id: number
  readonly callback: () => void
}

/**
 * One round of the real event loop: every chain of promises that waits for nothing else has run to
 * its end by then.
 */
function roundOfTheLoop(): Promise<void> {
  return new Promise(afterLoop)
}
