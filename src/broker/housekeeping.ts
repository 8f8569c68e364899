import type { Clock, Timer } from '../common/clock.js'

/**
 * Does a piece of work again and again, the next time counted from the end of the last. It does not
 * keep the process alive.
 */
export class Housekeeping {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #work: () => Promise<void>
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #isClosed = false

  /** `work` must not reject. */
  constructor(clock: Clock, intervalMs: number, work: () => Promise<void>) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#work = work
    this.#schedule()
  }

  /** Waits for the work under way, if any. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#running
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(this.#intervalMs, () => {
      this.#running = this.#run()
    })
  }

  async #run(): Promise<void> {
    await this.#work()
    this.#running = undefined
    if (!this.#isClosed) this.#schedule()
  }
}
