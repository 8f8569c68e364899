import { readInt32, readInt64, writeInt32, writeInt64 } from '../common/bytes.js'
import { withRoomFor } from './offset-index.js'

const entryBytes = 12

/**
 * Where in a segment to start looking for a timestamp. Sparse, and written along with the offset index, where the largest timestamp has grown.
 *     index := entry*     entry := timestamp: int64, relativeOffset: int32   (big-endian, both ascending)
 * `timestamp` is the largest so far in the segment, `relativeOffset` the last offset of the first batch that has it, less the base offset.
 */
export class TimeIndex {
  readonly baseOffset: number
  #bytes = new Uint8Array(0)
  #count = 0

  constructor(baseOffset: number) {
    this.baseOffset = baseOffset
  }

  get count(): number {
    return this.#count
  }

  /** The entries as they stand in a `.timeindex` file; a view, valid until the next change. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#count * entryBytes)
  }

  /** -1 when there is no entry. */
  get lastTimestamp(): number {
    return this.#count === 0 ? -1 : this.#timestampAt(this.#count - 1)
  }

  /** The base offset when there is no entry. */
  get lastOffset(): number {
    return this.#count === 0 ? this.baseOffset : this.#offsetAt(this.#count - 1)
  }

  /** One place is kept for the entry that a segment gets when it is rolled. */
  isFull(maxIndexBytes: number): boolean {
    return this.#count >= Math.floor(maxIndexBytes / entryBytes) - 1
  }

  /** Adds an entry, unless the timestamp is no larger than the last one. */
  maybeAppend(timestamp: number, offset: number): void {
    if (timestamp <= this.lastTimestamp) return
    const start = this.#count * entryBytes
    this.#bytes = withRoomFor(this.#bytes, start + entryBytes)
    writeInt64(this.#bytes, start, timestamp)
    writeInt32(this.#bytes, start + 8, offset - this.baseOffset)
    this.#count++
  }

  /** Offset of the last entry at or before `timestamp`, or the base offset when there is none: all records before it are older. */
  lookup(timestamp: number): number {
    let low = -1
    let high = this.#count - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#timestampAt(middle) <= timestamp) low = middle
      else high = middle - 1
    }
    return low < 0 ? this.baseOffset : this.#offsetAt(low)
  }

  /** Forgets the entries for `offset` and later ones. */
  truncateTo(offset: number): void {
    while (this.#count > 0 && this.#offsetAt(this.#count - 1) >= offset) this.#count--
  }

  clear(): void {
    this.#count = 0
  }

  #timestampAt(slot: number): number {
    return readInt64(this.#bytes, slot * entryBytes)
  }

  #offsetAt(slot: number): number {
    return this.baseOffset + readInt32(this.#bytes, slot * entryBytes + 8)
  }
}
