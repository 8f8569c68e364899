/**
 * Members in ascending order of their load, then of their number. Loads may change only while a
 * member is taken out.
 */
export class LoadOrder {
  readonly #loadOf: (member: number) => number
  readonly #order: number[] = []

  constructor(loadOf: (member: number) => number) {
    this.#loadOf = loadOf
  }

  get size(): number {
    return this.#order.length
  }

  get least(): number {
    return this.#order[0]
  }

  get most(): number {
    return this.#order[this.#order.length - 1]
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#order[Symbol.iterator]()
  }

  add(member: number): void {
    this.#order.splice(this.#placeOf(member), 0, member)
  }

  remove(member: number): void {
    const place = this.#placeOf(member)
    if (this.#order[place] === member) this.#order.splice(place, 1)
  }

  #placeOf(member: number): number {
    const load = this.#loadOf(member)
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#order[middle]
      if ((this.#loadOf(other) - load || other - member) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
