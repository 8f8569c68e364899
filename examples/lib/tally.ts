/** The number of records per key, and the sum of one of their fields. */
export class Tally {
  readonly #keys = new Map<string, { count: number; sum: number }>()

  add(key: string, measure = 0): void {
    const entry = this.#keys.get(key)
    if (entry) {
      entry.count++
      entry.sum += measure
    } else {
      this.#keys.set(key, { count: 1, sum: measure })
    }
  }

  get keys(): number {
    return this.#keys.size
  }

  /** The keys that come first when sorted by mean or by count, highest first. */
  top(by: 'mean' | 'count', length: number): { key: string; count: number; mean: number }[] {
    const rows = [...this.#keys].map(([key, { count, sum }]) => ({ key, count, mean: sum / count }))
    return rows.sort((a, b) => b[by] - a[by] || (a.key < b.key ? -1 : 1)).slice(0, length)
  }

  equals(other: Tally): boolean {
    const same = ([key, { count, sum }]: [string, { count: number; sum: number }]) => {
      const entry = other.#keys.get(key)
      return entry?.count === count && entry.sum === sum
    }
    return this.keys === other.keys && [...this.#keys].every(same)
  }
}
