/**
 * Holds a producer back while its slowest reader is too far behind. A log in memory is bounded and drops its oldest segments, so that in a bus a
 * producer must not run away from its readers.
 */
export class Flow {
  readonly #most: number
  readonly #readers: { readonly seen: number }[]
  #sent = 0
  #go: (() => void) | undefined

  constructor(most: number, readers: { readonly seen: number }[]) {
    this.#most = most
    this.#readers = readers
  }

  /** To be called when records have been sent: a promise when it is time to wait. */
  sent(count: number): Promise<void> | undefined {
    this.#sent += count
    if (this.#ahead() <= this.#most) return undefined
    return new Promise(resolve => (this.#go = resolve))
  }

  /** To be called by a reader now and then. */
  read(): void {
    if (this.#go === undefined || this.#ahead() > this.#most / 2) return
    this.#go()
    this.#go = undefined
  }

  #ahead(): number {
    let least = Number.POSITIVE_INFINITY
    for (const { seen } of this.#readers) if (seen < least) least = seen
    return this.#sent - least
  }
}
