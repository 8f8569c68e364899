/** A wait after failures, longer each time; without an end after an error that no wait mends. */
export class Rest {
  #failures = 0
  #until = 0

  /** The number of consecutive failures. */
  get failures(): number {
    return this.#failures
  }

  /** Until when to wait, on the monotonic clock; 0 when there is nothing to wait for. */
  get until(): number {
    return this.#until
  }

  /** True if it waits for `restart`, however long that takes. */
  get isStopped(): boolean {
    return this.#until === Number.POSITIVE_INFINITY
  }

  /** It failed once more. `delayMs` tells how long to wait after so many failures. */
  failed(now: number, delayMs: (failures: number) => number): void {
    this.#failures++
    if (!this.isStopped) this.#until = now + delayMs(this.#failures)
  }

  succeeded(): void {
    this.#failures = this.#until = 0
  }

  stop(): void {
    this.#until = Number.POSITIVE_INFINITY
  }

  restart(): void {
    this.#until = 0
  }
}
