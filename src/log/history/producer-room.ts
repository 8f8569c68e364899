/** The producers that one log remembers. */
export interface RememberedProducers {
  readonly size: number
  /** Forgets so many of those that wrote longest ago. */
  forgetOldest(count: number): void
}

/** For a log by itself. */
const defaultMost = 100_000
/** Kafka's default of `producer.id.expiration.ms`. */
const defaultExpirationMs = 24 * 3_600_000

/**
 * Bounds how many producers the logs that share it remember, together: a client may write with a
 * new producer id each time. Beyond that those that wrote longest ago are forgotten, as if they had
 * expired, by the logs that remember most. Says as well after which time a producer that writes
 * nothing expires.
 */
export class ProducerRoom {
  readonly #most: number
  readonly #expirationMs: () => number
  readonly #states = new Set<RememberedProducers>()
  #count = 0

  constructor(most = defaultMost, expirationMs = () => defaultExpirationMs) {
    this.#most = most
    this.#expirationMs = expirationMs
  }

  /** The time for which a producer that writes nothing is remembered. */
  get expirationMs(): number {
    return this.#expirationMs()
  }

  /** Makes room for one more producer of a log, and takes it. */
  take(state: RememberedProducers): void {
    if (this.#count >= this.#most) this.#forgetSome()
    this.#states.add(state)
    this.#count++
  }

  /** Takes back room for so many. */
  give(state: RememberedProducers, count: number): void {
    this.#count -= count
    if (state.size === 0) this.#states.delete(state)
  }

  leave(state: RememberedProducers): void {
    if (this.#states.delete(state)) this.#count -= state.size
  }

  /** An eighth goes at once, so that it is seldom looked for. */
  #forgetSome(): void {
    const kept = this.#most - Math.ceil(this.#most / 8)
    for (const state of [...this.#states].sort((a, b) => b.size - a.size)) {
      if (this.#count <= kept) return
      state.forgetOldest(Math.min(Math.ceil(state.size / 2), this.#count - kept))
    }
  }
}
