import { readInt16, readInt64, writeInt64 } from '../../common/bytes.js'
import { KafkaError } from '../../errors.js'
import type { Storage } from '../../storage/storage.js'
import { isLackOfRoom } from '../lack-of-room.js'
import { type DamageReports, damageError } from '../segment/damage.js'
import { pathIn } from '../segment/file-names.js'
import { readSmallFile, renewSmallFile } from '../segment/small-file.js'

/**
 * A transaction that was given up: readers of committed records pass over what its producer wrote
 * between these offsets.
 */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** The offset of the marker that ended it. */
  readonly lastOffset: number
  /** Before this offset all transactions were decided then. */
  readonly lastStableOffset: number
}

export interface SegmentRange {
  readonly baseOffset: number
  readonly nextOffset: number
}

const abortedTransactionBytes = 34

/**
 * The aborted transactions of a log. A durable log keeps those whose markers stand in a segment in
 * a `.txnindex` file beside it; where there are none, there is no file:
 *     index := entry*     entry := version: int16 (0), producerId: int64, firstOffset: int64, lastOffset: int64, lastStableOffset: int64
 */
export class TransactionIndex {
  readonly #storage: Storage
  readonly #folder: string
  readonly #damage: DamageReports
  /** In the order of their markers. */
  #entries: AbortedTransaction[] = []
  /** The segments that have a file. */
  readonly #files = new Set<number>()

  constructor(storage: Storage, folder: string, damage: DamageReports) {
    this.#storage = storage
    this.#folder = folder
    this.#damage = damage
  }

  /**
   * Reads the files of some segments. Returns whether they can be right; where they cannot, nothing
   * is taken from them.
   */
  async load(files: ReadonlySet<number>, segments: readonly SegmentRange[]): Promise<boolean> {
    const entries: AbortedTransaction[] = []
    let file = ''
    try {
      for (const segment of segments) {
        if (!files.has(segment.baseOffset)) continue
        this.#files.add(segment.baseOffset)
        file = this.#pathOf(segment.baseOffset)
        const bytes = await readSmallFile(this.#storage, file)
        for (const entry of abortedTransactionsIn(bytes)) {
          expectToFollow(entry, entries.at(-1), segment)
          entries.push(entry)
        }
      }
      expectStable(entries)
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== 'CORRUPT_MESSAGE') throw error
      this.#damage.tell(damageError({ file, reason: `${error.message}; it is made anew` }))
      return false
    }
    this.#entries = entries
    return true
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** Takes these for all there are. */
  replace(entries: readonly AbortedTransaction[]): void {
    this.#entries = [...entries]
  }

  /** Takes in a transaction whose marker was written, or found. */
  add(entry: AbortedTransaction): void {
    const index = this.#indexAt(entry.lastOffset)
    this.#entries.splice(index, this.#entries[index]?.lastOffset === entry.lastOffset ? 1 : 0, entry)
  }

  /** The transactions with records in [from, upTo), ordered by their first offset. */
  between(from: number, upTo: number): readonly AbortedTransaction[] {
    const found: AbortedTransaction[] = []
    for (let index = this.#indexAt(from); index < this.#entries.length; index++) {
      const entry = this.#entries[index]
      if (entry.firstOffset < upTo) found.push(entry)
      if (entry.lastStableOffset >= upTo) break
    }
    return found.sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Forgets those whose markers stand before `offset`. */
  forgetBefore(offset: number): void {
    this.#entries.splice(0, this.#indexAt(offset))
  }

  /** Forgets those whose markers stand in segments whose files are gone. */
  forget({ baseOffset, nextOffset }: SegmentRange): void {
    const index = this.#indexAt(baseOffset)
    this.#entries.splice(index, this.#indexAt(nextOffset) - index)
    for (const file of this.#files) if (file >= baseOffset && file < nextOffset) this.#files.delete(file)
  }

  /** The log was cut at `endOffset`. */
  async cutAt(endOffset: number): Promise<void> {
    const removed = this.#entries.splice(this.#indexAt(endOffset))
    for (const baseOffset of [...this.#files].sort((a, b) => b - a)) {
      if (removed.length === 0 || removed[removed.length - 1].lastOffset < baseOffset) continue
      await this.write({ baseOffset, nextOffset: Math.max(baseOffset, endOffset) })
      if (baseOffset < endOffset) break
    }
  }

  /**
   * Writes the file of a segment, where there is something to write. Its name is left to the caller
   * to sync.
   */
  async write({ baseOffset, nextOffset }: SegmentRange): Promise<void> {
    const entries = this.#entries.slice(this.#indexAt(baseOffset), this.#indexAt(nextOffset))
    const path = this.#pathOf(baseOffset)
    if (entries.length === 0) {
      if (this.#files.delete(baseOffset)) await this.#storage.remove(path)
      return
    }
    try {
      this.#files.add(baseOffset)
      await renewSmallFile(this.#storage, path, encodeAbortedTransactions(entries))
    } catch (error) {
      // As with the other indexes: it is made anew when it is missed.
      if (!isLackOfRoom(error)) throw error
      await this.#storage.remove(`${path}.tmp`)
    }
  }

  /** The first entry whose marker stands at `offset` or after it. */
  #indexAt(offset: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle].lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #pathOf(baseOffset: number): string {
    return `${pathIn(this.#folder, baseOffset)}.txnindex`
  }
}

/** The entries of a `.txnindex` file. Throws CORRUPT_MESSAGE where they cannot be such. */
export function* abortedTransactionsIn(bytes: Uint8Array): Generator<AbortedTransaction, void, undefined> {
  let at = 0
  for (; at + abortedTransactionBytes <= bytes.length; at += abortedTransactionBytes) {
    const version = readInt16(bytes, at)
    if (version !== 0) throw damaged(`the version of its entry at position ${at} is ${version}, not 0`)
    yield {
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStableOffset: readInt64(bytes, at + 26)
    }
  }
  if (at < bytes.length) throw damaged(`its size ${bytes.length} is no multiple of ${abortedTransactionBytes}`)
}

function encodeAbortedTransactions(entries: readonly AbortedTransaction[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * abortedTransactionBytes)
  let at = 0
  for (const { producerId, firstOffset, lastOffset, lastStableOffset } of entries) {
    writeInt64(bytes, at + 2, producerId)
    writeInt64(bytes, at + 10, firstOffset)
    writeInt64(bytes, at + 18, lastOffset)
    writeInt64(bytes, at + 26, lastStableOffset)
    at += abortedTransactionBytes
  }
  return bytes
}

function expectToFollow(entry: AbortedTransaction, before: AbortedTransaction | undefined, segment: SegmentRange): void {
  const { producerId, firstOffset, lastOffset, lastStableOffset } = entry
  const isInSegment = lastOffset >= segment.baseOffset && lastOffset < segment.nextOffset
  const isOrdered = firstOffset >= 0 && firstOffset < lastOffset && lastStableOffset >= 0 && lastStableOffset <= lastOffset + 1
  if (producerId >= 0 && isInSegment && isOrdered && lastOffset > (before?.lastOffset ?? -1)) return
  throw damaged(`an entry from ${firstOffset} to ${lastOffset} cannot stand in it`)
}

/**
 * A transaction that was open when another ended cannot have begun before the last stable offset of
 * that time.
 */
function expectStable(entries: readonly AbortedTransaction[]): void {
  let firstOffset = Number.POSITIVE_INFINITY
  for (const entry of [...entries].reverse()) {
    if (entry.lastStableOffset > firstOffset) throw damaged(`not all before ${entry.lastStableOffset} was decided at ${entry.lastOffset}`)
    firstOffset = Math.min(firstOffset, entry.firstOffset)
  }
}

function damaged(reason: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', reason)
}
