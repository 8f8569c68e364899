import type { ByteBudget } from './byte-budget.js'

/**
 * How large the answers of fetches may be that are made at the same time. Each gets its part of what the budget has left when it begins, so that all
 * together stay within a few times the budget, however many connections ask for fifty megabytes at once.
 */
export class FetchShare {
  readonly #budget: ByteBudget
  #underWay = 0

  constructor(budget: ByteBudget) {
    this.#budget = budget
  }

  /** Calls `fetch` with the most bytes that its answer may have; a first batch that is larger still goes out, as in Kafka. */
  async of<T>(fetch: (maxBytes: number) => Promise<T>): Promise<T> {
    this.#underWay++
    try {
      return await fetch(Math.max(leastShare, Math.floor(this.#budget.free / this.#underWay)))
    } finally {
      this.#underWay--
    }
  }
}

const leastShare = 64 * 1024
