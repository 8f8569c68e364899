/** Bytes that all connections of a listener may hold at once. Who asks for more than is free waits, in order of asking. */
export class ByteBudget {
  readonly #limit: number
  #taken = 0
  readonly #waiting: { readonly bytes: number; readonly granted: () => void }[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  get taken(): number {
    return this.#taken
  }

  /** How many bytes could be taken now. */
  get free(): number {
    return Math.max(0, this.#limit - this.#taken)
  }

  /** Takes bytes now, or returns false: then `granted` is called when they have been taken. A request beyond the limit is granted alone. */
  take(bytes: number, granted: () => void): boolean {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#taken += bytes
      return true
    }
    this.#waiting.push({ bytes, granted })
    return false
  }

  /** Takes bytes without asking: they are there already. */
  add(bytes: number): void {
    this.#taken += bytes
  }

  /** Takes back an asking that has not been granted; false when it was granted already. */
  withdraw(granted: () => void): boolean {
    const index = this.#waiting.findIndex(asking => asking.granted === granted)
    if (index < 0) return false
    this.#waiting.splice(index, 1)
    this.#grant()
    return true
  }

  give(bytes: number): void {
    this.#taken -= bytes
    this.#grant()
  }

  #grant(): void {
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0].bytes)) {
      const { bytes, granted } = this.#waiting.shift() as { bytes: number; granted: () => void }
      this.#taken += bytes
      granted()
    }
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#limit
  }
}
