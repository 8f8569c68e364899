import type { Clock, Timer } from '../common/clock.js'

/** A timer that is so late shows that the process stood still. */
const standstillMs = 100

/**
 * A timeout that is put off far more often than it goes off, as that of a session is with every
 * heartbeat. Putting it off costs no new timer: the one that is set finds, when it fires, that
 * there is time left, and is set again for the rest.
 *
 * While the process stood still it could not hear from anybody, so that the silence proves nothing:
 * the time that it missed is given once more, to those who have to connect anew.
 */
export class Timeout {
  readonly #clock: Clock
  #timer: Timer | undefined
  #firesAt = 0
  #delayMs = 0
  #hasStoodStill = false
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
    this.#delayMs = delayMs
    this.#hasStoodStill = false
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
    this.#timer = this.#clock.setTimer(this.#deadline - this.#clock.monotonic(), () => this.#fire(), { givesUp: true })
  }

  #fire(): void {
    this.#timer = undefined
    const now = this.#clock.monotonic()
    const lateMs = now - this.#firesAt
    if (lateMs > standstillMs && !this.#hasStoodStill) {
      this.#hasStoodStill = true
      this.#deadline = Math.max(this.#deadline, now + Math.min(lateMs, this.#delayMs))
    }
    if (now < this.#deadline) return this.#start()
    this.#deadline = Number.POSITIVE_INFINITY
    this.#callback()
  }
}
