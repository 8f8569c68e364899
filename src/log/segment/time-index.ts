import { readInt32, readInt64, writeInt32, writeInt64 } from '../../common/bytes.js'
import { EntryBuffer } from './entry-buffer.js'

const entryBytes = 12

/**
 * The index from timestamps to offsets in a segment. Sparse, and written along with the offset
 * index, where the largest timestamp has grown.
 *     index := entry*     entry := timestamp: int64, relativeOffset: int32   (big-endian, both ascending)
 * `timestamp` is the largest so far in the segment, `relativeOffset` the last offset of the first
 * batch that has it, less the base offset.
 */
export class TimeIndex {
  readonly baseOffset: number
  readonly #buffer = new EntryBuffer(entryBytes)

  constructor(baseOffset: number) {
    this.baseOffset = baseOffset
  }

  get count(): number {
    return this.#buffer.count
  }

  /** The entries as they stand in a `.timeindex` file; a view, valid until the next change. */
  get bytes(): Uint8Array {
    return this.#buffer.entries
  }

  /** -1 when there is no entry. */
  get lastTimestamp(): number {
    return this.#buffer.count === 0 ? -1 : this.#timestampAt(this.#buffer.count - 1)
  }

  /** The base offset when there is no entry. */
  get lastOffset(): number {
    return this.#buffer.count === 0 ? this.baseOffset : this.#offsetAt(this.#buffer.count - 1)
  }

  /** Takes in the entries of a file, as `OffsetIndex.restore` does. */
  restore(bytes: Uint8Array, nextOffset: number): boolean {
    let count = bytes.length / entryBytes
    if (!Number.isInteger(count)) return false
    while (count > 1 && readInt64(bytes, (count - 1) * entryBytes) === 0 && readInt32(bytes, (count - 1) * entryBytes + 8) === 0) count--
    let timestamp = -1
    let offset = -1
    for (let start = 0; start < count * entryBytes; start += entryBytes) {
      const nextTimestamp = readInt64(bytes, start)
      const nextRelative = readInt32(bytes, start + 8)
      if (nextTimestamp <= timestamp || nextRelative < offset || nextRelative < 0 || !Number.isSafeInteger(nextTimestamp)) return false
      timestamp = nextTimestamp
      offset = nextRelative
    }
    if (count > 0 && this.baseOffset + offset >= nextOffset) return false
    this.#buffer.restore(bytes, count)
    return true
  }

  /** Takes the entries of `other` for all that lies before `offset`. */
  replaceBefore(offset: number, other: TimeIndex): void {
    let known = 0
    while (known < this.count && (this.#offsetAt(known) < offset || this.#timestampAt(known) <= other.lastTimestamp)) known++
    this.#buffer.replaceFirst(known, other.#buffer)
  }

  /** One place is kept for the entry that a segment gets when it is rolled. */
  isFull(maxIndexBytes: number): boolean {
    return this.#buffer.count >= Math.floor(maxIndexBytes / entryBytes) - 1
  }

  /** Adds an entry, unless the timestamp is no larger than the last one. */
  maybeAppend(timestamp: number, offset: number): void {
    if (timestamp <= this.lastTimestamp) return
    const start = this.#buffer.add()
    writeInt64(this.#buffer.bytes, start, timestamp)
    writeInt32(this.#buffer.bytes, start + 8, offset - this.baseOffset)
  }

  /**
   * Offset of the last entry at or before `timestamp`, or the base offset when there is none: all
   * records before it are older.
   */
  lookup(timestamp: number): number {
    const slot = this.#floor(timestamp)
    return slot < 0 ? this.baseOffset : this.#offsetAt(slot)
  }

  /** The last entry at or before `timestamp`. */
  floorEntry(timestamp: number): { readonly timestamp: number; readonly offset: number } | undefined {
    const slot = this.#floor(timestamp)
    return slot < 0 ? undefined : { timestamp: this.#timestampAt(slot), offset: this.#offsetAt(slot) }
  }

  #floor(timestamp: number): number {
    let low = -1
    let high = this.#buffer.count - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#timestampAt(middle) <= timestamp) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Forgets the entries for `offset` and later ones. */
  truncateTo(offset: number): void {
    while (this.#buffer.count > 0 && this.#offsetAt(this.#buffer.count - 1) >= offset) this.#buffer.count--
  }

  clear(): void {
    this.#buffer.clear()
  }

  #timestampAt(slot: number): number {
    return readInt64(this.#buffer.bytes, slot * entryBytes)
  }

  #offsetAt(slot: number): number {
    return this.baseOffset + readInt32(this.#buffer.bytes, slot * entryBytes + 8)
  }
}
