import { concatBytes } from '../../common/bytes.js'

/** Entries of one size, back to back in memory that doubles as it grows. */
export class EntryBuffer {
  /** May be longer than what its entries take. */
  bytes: Uint8Array = new Uint8Array(0)
  count = 0
  readonly #entryBytes: number

  constructor(entryBytes: number) {
    this.#entryBytes = entryBytes
  }

  /** The entries; a view, valid until the next change. */
  get entries(): Uint8Array {
    return this.bytes.subarray(0, this.count * this.#entryBytes)
  }

  /** Makes room for one more. Returns where it stands, to be written there. */
  add(): number {
    const start = this.count++ * this.#entryBytes
    if (start + this.#entryBytes > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, 8 * this.#entryBytes))
      larger.set(this.bytes)
      this.bytes = larger
    }
    return start
  }

  /** Takes the first `count` of these for all there are. */
  restore(bytes: Uint8Array, count: number): void {
    this.bytes = bytes.slice(0, count * this.#entryBytes)
    this.count = count
  }

  /** Puts others in the place of the first `count`. */
  replaceFirst(count: number, others: EntryBuffer): void {
    this.bytes = concatBytes([others.entries, this.entries.subarray(count * this.#entryBytes)])
    this.count += others.count - count
  }

  clear(): void {
    this.bytes = new Uint8Array(0)
    this.count = 0
  }
}
