import type { MemoryShare } from '../common/memory-shares.js'

/**
 * Bytes that connections may hold at once. Requests for more than is free wait in order.
 *
 * Holders of a part that need more could wait for each other without end; so one of them at a time,
 * the first, gets what it needs beyond the limit.
 */
export class ByteBudget {
  readonly #limit: number
  /** The share that also counts the bytes. */
  readonly #share: MemoryShare | undefined
  #taken = 0
  readonly #waitingForRoom: (() => void)[] = []
  readonly #waiting: Asking[] = []
  /** The one that may go beyond the limit until it has given everything back. */
  #overdrawn: object | undefined

  constructor(limit: number, share?: MemoryShare) {
    this.#limit = limit
    this.#share = share
  }

  get taken(): number {
    return this.#taken
  }

  /** The bytes that could be taken now. */
  get free(): number {
    return Math.max(0, this.#limit - this.#taken)
  }

  /**
   * Takes bytes now, or returns false: then `granted` is called when they have been taken. A
   * request beyond the limit is granted alone.
   */
  take(bytes: number, granted: () => void): boolean {
    return this.#ask({ bytes, granted }, this.#waiting.length === 0 && this.#fits(bytes))
  }

  /**
   * Takes more bytes for an owner that holds some already; else as `take`. The owner says by
   * `settled` that it has given all back.
   */
  grow(bytes: number, owner: object, granted: () => void): boolean {
    return this.#ask({ bytes, granted, owner }, this.#fits(bytes) || (this.#overdrawn ?? owner) === owner)
  }

  /** An owner has given back what it held. */
  settled(owner: object): void {
    if (this.#overdrawn !== owner) return
    this.#overdrawn = undefined
    this.#grant()
  }

  /**
   * True if the limit is not exceeded; if it is, calls back once it no longer is, before any
   * request for bytes.
   */
  room(granted: () => void): boolean {
    if (this.#fits(0)) return true
    this.#waitingForRoom.push(granted)
    return false
  }

  /** Takes bytes without asking: they are there already. */
  add(bytes: number): void {
    this.#taken += bytes
    this.#share?.take(bytes)
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
    this.#share?.give(bytes)
    this.#grant()
  }

  #ask(asking: Asking, mayHave: boolean): boolean {
    if (mayHave) this.#count(asking)
    else this.#waiting.push(asking)
    return mayHave
  }

  #count({ bytes, owner }: Asking): void {
    if (owner !== undefined && !this.#fits(bytes)) this.#overdrawn = owner
    this.add(bytes)
  }

  /** Grants what can be granted now: the one place for all who wait. */
  #grant(): void {
    while (this.#waitingForRoom.length > 0 && this.#fits(0)) this.#waitingForRoom.shift()?.()
    for (let next = this.#nextAsking(); next; next = this.#nextAsking()) {
      this.#waiting.splice(this.#waiting.indexOf(next), 1)
      this.#count(next)
      next.granted()
    }
  }

  /** The first in line if it fits; else the first that may go beyond the limit. */
  #nextAsking(): Asking | undefined {
    const [first] = this.#waiting
    if (first && this.#fits(first.bytes)) return first
    return this.#overdrawn === undefined ? this.#waiting.find(({ owner }) => owner !== undefined) : undefined
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
