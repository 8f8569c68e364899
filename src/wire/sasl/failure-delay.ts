import { type Clock, sleep } from '../../common/clock.js'

/** However many guess at a time, none waits longer, so that connections do not pile up. */
const longestDelayMs = 2000
/** The most addresses that are remembered. */
const mostAddresses = 10_000

/**
 * Holds back the answers to failed authentications, as Kafka's
 * `connection.failed.authentication.delay.ms` does: those of one address come that far apart, over
 * how many connections they may be spread.
 */
export class FailureDelay {
  readonly #clock: Clock
  readonly #delayMs: number
  /** The time at which the last answer leaves, by address, in the order of the last failures. */
  readonly #lastAt = new Map<string, number>()

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock
    this.#delayMs = delayMs
  }

  /** Resolves when the client at this address may hear that it has failed. */
  async of(address: string): Promise<void> {
    if (this.#delayMs === 0) return
    const now = this.#clock.monotonic()
    const at = Math.min(Math.max(this.#lastAt.get(address) ?? 0, now) + this.#delayMs, now + Math.max(longestDelayMs, this.#delayMs))
    this.#lastAt.delete(address)
    this.#lastAt.set(address, at)
    const [oldest] = this.#lastAt.keys()
    if (this.#lastAt.size > mostAddresses) this.#lastAt.delete(oldest)
    await sleep(this.#clock, at - now)
  }
}
