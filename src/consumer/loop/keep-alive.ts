import type { Clock, Timer } from '../../common/clock.js'

const longTimeMs = 24 * 60 * 60 * 1000

/**
 * Keeps the process alive while somebody waits for records, whatever the consumer itself is waiting
 * for.
 */
export class KeepAlive {
  readonly #clock: Clock
  #holders = 0
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  hold(): void {
    if (++this.#holders === 1) this.#set()
  }

  release(): void {
    if (--this.#holders > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #set(): void {
    this.#timer = this.#clock.setTimer(longTimeMs, () => this.#set(), { keepAlive: true })
  }
}
