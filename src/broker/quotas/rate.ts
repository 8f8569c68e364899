/** Values of a time. */
interface Sample {
  startedAt: number
  lastAt: number
  value: number
}

/** The number of samples of a rate, and their length in ms. */
export interface RateWindow {
  readonly samples: number
  readonly sampleMs: number
}

/**
 * A rate per second, as Kafka's `Rate` measures it: over all samples that have not expired, and
 * over no less time than all samples but one. So a burst counts for some ten seconds, and who
 * begins is not measured by the first moment alone.
 */
export class Rate {
  readonly #window: RateWindow
  /**
   * The oldest first; one more than there are samples, as the oldest may overlap with the window.
   */
  #samples: Sample[] = []

  constructor(window: RateWindow) {
    this.#window = window
  }

  record(value: number, now: number): void {
    let last = this.#samples[this.#samples.length - 1]
    if (!last || now - last.startedAt >= this.#window.sampleMs) {
      if (this.#samples.length > this.#window.samples) this.#samples.shift()
      last = { startedAt: now, lastAt: now, value: 0 }
      this.#samples.push(last)
    }
    last.value += value
    last.lastAt = now
  }

  /** The recorded amount per second. */
  measure(now: number): number {
    this.#purge(now)
    let sum = 0
    for (const { value } of this.#samples) sum += value
    return (sum / this.#spanMs(now)) * 1000
  }

  /**
   * The time without records after which the rate has fallen to `limit`, in ms; 0 where it is not
   * above.
   */
  throttleMs(limit: number, now: number): number {
    const rate = this.measure(now)
    return rate <= limit ? 0 : Math.round(((rate - limit) / limit) * this.#spanMs(now))
  }

  /** True if nothing is left of what was recorded. */
  isIdle(now: number): boolean {
    this.#purge(now)
    return this.#samples.length === 0
  }

  #purge(now: number): void {
    const { samples, sampleMs } = this.#window
    const kept = this.#samples.findIndex(({ lastAt }) => now - lastAt < samples * sampleMs)
    if (kept < 0) this.#samples.length = 0
    else if (kept > 0) this.#samples.splice(0, kept)
  }

  /** The time since the oldest sample, to which whole samples are added that are missing. */
  #spanMs(now: number): number {
    const { samples, sampleMs } = this.#window
    const elapsedMs = now - (this.#samples[0]?.startedAt ?? now)
    const missing = Math.max(0, samples - 1 - Math.floor(elapsedMs / sampleMs))
    return Math.max(1, elapsedMs + missing * sampleMs)
  }
}
