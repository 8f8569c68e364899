import { readInt16, readInt64 } from '../common/bytes.js'
import type { Storage } from '../storage/storage.js'
import { pathIn } from './log-folder.js'
import { readSmallFile } from './small-file.js'

/** A transaction that was given up: readers of committed records pass over what its producer wrote between these offsets. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Where the marker stands that ended it. */
  readonly lastOffset: number
}

const entryBytes = 34
const none: readonly AbortedTransaction[] = []

/**
 * The aborted transactions of a log that another wrote, from the `.txnindex` file that stands beside a segment which has any:
 *     index := entry*     entry := version: int16 (0), producerId: int64, firstOffset: int64, lastOffset: int64, lastStableOffset: int64
 */
export class TransactionIndex {
  #entries: readonly AbortedTransaction[] = none

  /** Reads the files beside these segments. What follows an entry that makes no sense is left out. */
  async load(storage: Storage, folder: string, segments: Iterable<number>): Promise<void> {
    const entries: AbortedTransaction[] = []
    for (const baseOffset of segments) entries.push(...entriesIn(await readSmallFile(storage, `${pathIn(folder, baseOffset)}.txnindex`)))
    if (entries.length > 0) this.#entries = entries.sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Those that have records in [from, upTo), ordered by their first offset. */
  between(from: number, upTo: number): readonly AbortedTransaction[] {
    if (this.#entries === none) return none
    return this.#entries.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < upTo)
  }
}

function* entriesIn(bytes: Uint8Array): Generator<AbortedTransaction, void, undefined> {
  for (let at = 0; at + entryBytes <= bytes.length && readInt16(bytes, at) === 0; at += entryBytes) {
    const entry = { producerId: readInt64(bytes, at + 2), firstOffset: readInt64(bytes, at + 10), lastOffset: readInt64(bytes, at + 18) }
    if (entry.firstOffset > entry.lastOffset) return
    yield entry
  }
}
