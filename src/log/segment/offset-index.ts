import { readInt32, writeInt32 } from '../../common/bytes.js'
import { EntryBuffer } from './entry-buffer.js'

const entryBytes = 8
const maxRelativeOffset = 2 ** 31 - 1

/**
 * The index from offsets to positions in a segment. Sparse: about one entry per
 * `indexIntervalBytes`.
 *     index := entry*     entry := relativeOffset: int32, position: int32   (big-endian, ascending)
 * `relativeOffset` is the LAST offset of the batch that starts at `position`, less the segment's
 * base offset.
 */
export class OffsetIndex {
  readonly baseOffset: number
  readonly #buffer = new EntryBuffer(entryBytes)

  constructor(baseOffset: number) {
    this.baseOffset = baseOffset
  }

  get count(): number {
    return this.#buffer.count
  }

  /** The entries as they stand in a `.index` file; a view, valid until the next change. */
  get bytes(): Uint8Array {
    return this.#buffer.entries
  }

  /** The position of the batch of the last entry; 0 when there is none. */
  get lastPosition(): number {
    return this.#buffer.count === 0 ? 0 : this.#positionAt(this.#buffer.count - 1)
  }

  /**
   * Takes in the entries of a file. A file that was not closed in order ends in zeros. Returns
   * whether they can be those of a segment of `segmentBytes` whose offsets lie below `nextOffset`;
   * whether they are is seen where they lead.
   */
  restore(bytes: Uint8Array, segmentBytes: number, nextOffset: number): boolean {
    let count = bytes.length / entryBytes
    if (!Number.isInteger(count)) return false
    while (count > 0 && readInt32(bytes, (count - 1) * entryBytes + 4) === 0) count--
    let offset = -1
    let position = 0
    for (let start = 0; start < count * entryBytes; start += entryBytes) {
      const nextRelative = readInt32(bytes, start)
      const nextPosition = readInt32(bytes, start + 4)
      if (nextRelative <= offset || nextPosition <= position) return false
      offset = nextRelative
      position = nextPosition
    }
    if (position > 0 && (position >= segmentBytes || this.baseOffset + offset >= nextOffset)) return false
    this.#buffer.restore(bytes, count)
    return true
  }

  /** Takes the entries of `other` for all that lies before `position`. */
  replaceBefore(position: number, other: OffsetIndex): void {
    this.#buffer.replaceFirst(this.#floor(position - 1, 4) + 1, other.#buffer)
  }

  isFull(maxIndexBytes: number): boolean {
    return this.#buffer.count >= Math.floor(maxIndexBytes / entryBytes)
  }

  /** True if an offset can be told apart within this segment. */
  canHold(offset: number): boolean {
    return offset >= this.baseOffset && offset - this.baseOffset <= maxRelativeOffset
  }

  append(lastOffset: number, position: number): void {
    const start = this.#buffer.add()
    writeInt32(this.#buffer.bytes, start, lastOffset - this.baseOffset)
    writeInt32(this.#buffer.bytes, start + 4, position)
  }

  /**
   * Position of the last entry at or below `offset`, or 0, the segment's start, when there is none.
   */
  lookup(offset: number): number {
    const slot = this.#floor(offset - this.baseOffset, 0)
    return slot < 0 ? 0 : this.#positionAt(slot)
  }

  /** The last known start of a batch at or below `position`. */
  floorPosition(position: number): number {
    const slot = this.#floor(position, 4)
    return slot < 0 ? 0 : this.#positionAt(slot)
  }

  /**
   * The last offset that the batch at `position` has by the entry for it; -1 when there is none.
   */
  offsetAt(position: number): number {
    const slot = this.#floor(position, 4)
    if (slot < 0 || this.#positionAt(slot) !== position) return -1
    return this.baseOffset + readInt32(this.#buffer.bytes, slot * entryBytes)
  }

  /** Forgets the batches that start at `position` or later. */
  truncateToPosition(position: number): void {
    this.#buffer.count = this.#floor(position - 1, 4) + 1
  }

  clear(): void {
    this.#buffer.clear()
  }

  #positionAt(slot: number): number {
    return readInt32(this.#buffer.bytes, slot * entryBytes + 4)
  }

  /** The last slot whose int32 at `field` is at most `value`, or -1. */
  #floor(value: number, field: 0 | 4): number {
    const { bytes, count } = this.#buffer
    let low = -1
    let high = count - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (readInt32(bytes, middle * entryBytes + field) <= value) low = middle
      else high = middle - 1
    }
    return low
  }
}
