import type { ByteBudget } from './byte-budget.js'

/**
 * The size limit of fetch answers that are made at the same time. The n-th that begins gets an n-th
 * of a quarter of what the budget has left: with five thousand of them all together come to some
 * two budgets, however much each asks for.
 */
export class FetchShare {
  readonly #budget: ByteBudget
  #underWay = 0

  constructor(budget: ByteBudget) {
    this.#budget = budget
  }

  /**
   * Calls `fetch` with the most bytes that its answer may have; a first batch that is larger still
   * goes out, as in Kafka.
   */
  async of<T>(fetch: (maxBytes: number) => Promise<T>): Promise<T> {
    this.#underWay++
    try {
      return await fetch(Math.max(leastShare, Math.floor(this.#budget.free / 4 / this.#underWay)))
    } finally {
      this.#underWay--
    }
  }
}

const leastShare = 64 * 1024
