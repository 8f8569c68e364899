import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Watches for how long the event loop is held up at a time, but for what the benchmark does itself. */
class Stalls {
  readonly #delays = monitorEventLoopDelay({ resolution: 1 })
  #longest = 0

  /** The longest so far, in milliseconds. */
  get longest(): number {
    return Math.max(this.#longest, this.#delays.max / 1e6)
  }

  async begin(): Promise<void> {
    this.#longest = 0
    this.#delays.reset()
    this.#delays.enable()
    await aMoment()
  }

  async end(): Promise<void> {
    await aMoment()
    this.#delays.disable()
  }

  /** Does something that takes long, and is no business of who is measured. */
  async aside<T>(work: () => T | Promise<T>): Promise<T> {
    await this.end()
    const { longest } = this
    try {
      return await work()
    } finally {
      await this.begin()
      this.#longest = longest
    }
  }
}

/** Until what holds up the loop at present has been noticed. */
function aMoment(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 5))
}

export const stalls = new Stalls()
