import type { Clock, Timer } from '../../common/clock.js'

/**
 * A timeout that is put off far more often than it goes off, as that of a session is with every heartbeat. Putting it off costs no new timer:
 * the one that is set finds, when it fires, that there is time left, and is set again for the rest.
 */
export class Alarm {
  readonly #clock: Clock
  #timer: Timer | undefined
  #firesAt = 0
  #deadline = Number.POSITIVE_INFINITY
  #callback: () => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get isSet(): boolean {
    return this.#deadline !== Number.POSITIVE_INFINITY
  }

  /** Calls `callback` in `delayMs`, and forgets what it was set to before. */
  set(delayMs: number, callback: () => void): void {
    this.#deadline = this.#clock.monotonic() + delayMs
    this.#callback = callback
    if (this.#timer && this.#firesAt <= this.#deadline) return
    this.#timer?.cancel()
    this.#start()
  }

  cancel(): void {
    this.#deadline = Number.POSITIVE_INFINITY
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #start(): void {
    this.#firesAt = this.#deadline
    this.#timer = this.#clock.setTimer(Math.max(0, this.#deadline - this.#clock.monotonic()), () => this.#fire())
  }

  #fire(): void {
    this.#timer = undefined
    if (this.#clock.monotonic() < this.#deadline) return this.#start()
    this.#deadline = Number.POSITIVE_INFINITY
    this.#callback()
  }
}
