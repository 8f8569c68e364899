import type { RateWindow } from './rate.js'

/**
 * Credits that grow by a rate, up to what comes together in all samples of a window (KIP-599). They
 * may be overdrawn once.
 */
export class TokenBucket {
  readonly #window: RateWindow
  #credits = Number.POSITIVE_INFINITY
  #filledAt = 0

  constructor(window: RateWindow) {
    this.#window = window
  }

  take(count: number, rate: number, now: number): void {
    this.#fill(rate, now)
    this.#credits -= count
  }

  /** The time until nothing is overdrawn, in ms; 0 where nothing is. */
  throttleMs(rate: number, now: number): number {
    this.#fill(rate, now)
    return this.#credits >= 0 ? 0 : Math.round((-this.#credits / rate) * 1000)
  }

  isIdle(now: number): boolean {
    return now - this.#filledAt >= this.#window.samples * this.#window.sampleMs && this.#credits >= 0
  }

  #fill(rate: number, now: number): void {
    const most = (rate * this.#window.samples * this.#window.sampleMs) / 1000
    this.#credits = Math.min(most, this.#credits + (rate * (now - this.#filledAt)) / 1000)
    this.#filledAt = now
  }
}
