/**
 * Bytes that all connections of a listener may hold at once. Requests for more than is free wait in order.
 *
 * Those who hold a part already and need more could wait for each other without end; so one of them at a time, the
 * first, gets what it needs beyond the limit.
 */
export class ByteBudget {
  readonly #limit: number
  #taken = 0
  readonly #waitingForRoom: (() => void)[] = []
  readonly #waiting: Asking[] = []
  /** The one that may go beyond the limit until it has given everything back. */
  #overdrawn: object | undefined

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

  /** Takes more bytes for an owner that holds some already; else as `take`. The owner says by `settled` that it has given all back. */
  grow(bytes: number, owner: object, granted: () => void): boolean {
    if (this.#fits(bytes) || (this.#overdrawn ?? owner) === owner) {
      if (!this.#fits(bytes)) this.#overdrawn = owner
      this.#taken += bytes
      return true
    }
    this.#waiting.push({ bytes, granted, owner })
    return false
  }

  /** An owner has given back what it held. */
  settled(owner: object): void {
    if (this.#overdrawn !== owner) return
    this.#overdrawn = undefined
    const next = this.#waiting.findIndex(asking => asking.owner !== undefined)
    if (next < 0) return
    const [asking] = this.#waiting.splice(next, 1)
    this.#overdrawn = asking.owner
    this.#taken += asking.bytes
    asking.granted()
  }

  /** Whether the limit is not exceeded; if it is, calls back once it no longer is, before any request for bytes. */
  room(granted: () => void): boolean {
    if (this.#fits(0)) return true
    this.#waitingForRoom.push(granted)
    return false
  }

  /** Takes bytes without asking: they are there already. */
  add(bytes: number): void {
    this.#taken += bytes
  }

  /** Takes back an asking that has not been granted; false when it was granted already. */
  withdraw(granted: () => void): boolean {
    const place = this.#waitingForRoom.indexOf(granted)
    if (place >= 0) {
      this.#waitingForRoom.splice(place, 1)
      return true
    }
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
    while (this.#waitingForRoom.length > 0 && this.#fits(0)) this.#waitingForRoom.shift()?.()
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0].bytes)) {
      const { bytes, granted } = this.#waiting.shift() as Asking
      this.#taken += bytes
      granted()
    }
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#limit
  }
}

interface Asking {
  readonly bytes: number
  readonly granted: () => void
  /** Set where some bytes are held already. */
  readonly owner?: object
}
