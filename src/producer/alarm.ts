import type { Clock, Timer, TimerOptions } from '../common/clock.js'

/**
 * One timer that many share: it rings at the earliest of the times that it was set to since it last
 * rang.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  readonly #options: TimerOptions
  #time = Number.POSITIVE_INFINITY
  #timer: Timer | undefined

  constructor(clock: Clock, ring: () => void, options: TimerOptions) {
    this.#clock = clock
    this.#ring = ring
    this.#options = options
  }

  /** Rings at `time`, in milliseconds of the monotonic clock, or before. */
  set(time: number): void {
    if (time >= this.#time) return
    this.#timer?.cancel()
    this.#time = time
    const onTime = () => {
      this.#time = Number.POSITIVE_INFINITY
      this.#ring()
    }
    this.#timer = this.#clock.setTimer(Math.max(0, time - this.#clock.monotonic()), onTime, this.#options)
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#time = Number.POSITIVE_INFINITY
  }
}
