import type { Clock } from './clock.js'

/**
 * The dates that all who go by a clock have read. After the date was set back, records that were
 * stamped before that are not from the future: `latest` tells the date that nobody can be ahead of.
 */
export class Dates {
  readonly #clock: Clock
  /** The initial difference between the date and the monotonic clock. */
  readonly #ahead: number
  #latest: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#latest = clock.now()
    this.#ahead = this.#latest - clock.monotonic()
  }

  now(): number {
    const now = this.#clock.now()
    if (now > this.#latest) this.#latest = now
    return now
  }

  latest(): number {
    return Math.ceil(Math.max(this.#latest, this.#ahead + this.#clock.monotonic()))
  }
}

const known = new WeakMap<Clock, Dates>()

export function datesOf(clock: Clock): Dates {
  let dates = known.get(clock)
  if (!dates) known.set(clock, (dates = new Dates(clock)))
  return dates
}
