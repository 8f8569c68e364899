import { readInt16, readInt32, readInt64 } from '../../common/bytes.js'

/** What the index files beside a log hold; `src/log` draws their formats. */
export interface OffsetIndexEntry {
  readonly offset: number
  readonly position: number
}

export interface TimeIndexEntry {
  readonly timestamp: number
  readonly offset: number
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly lastStableOffset: number
}

export const offsetEntryBytes = 8
export const timeEntryBytes = 12
export const abortedTransactionBytes = 34

/** The entries of an `.index` file. One that is in use may end in zeros, for entries to come: they are left out. */
export function* offsetIndexEntries(bytes: Uint8Array, baseOffset: number): Generator<OffsetIndexEntry, void, undefined> {
  for (let at = 0; at + offsetEntryBytes <= bytes.length; at += offsetEntryBytes) {
    const [relative, position] = [readInt32(bytes, at), readInt32(bytes, at + 4)]
    // The first batch of a segment is never indexed.
    if (relative === 0 && (at > 0 || position === 0)) return
    yield { offset: baseOffset + relative, position }
  }
}

/** The entries of a `.timeindex` file, likewise. */
export function* timeIndexEntries(bytes: Uint8Array, baseOffset: number): Generator<TimeIndexEntry, void, undefined> {
  for (let at = 0; at + timeEntryBytes <= bytes.length; at += timeEntryBytes) {
    const [timestamp, relative] = [readInt64(bytes, at), readInt32(bytes, at + 8)]
    if (relative === 0 && (at > 0 || timestamp === 0)) return
    yield { timestamp, offset: baseOffset + relative }
  }
}

/**
 * The entries of a `.txnindex` file:
 *     entry := version: int16 (0), producerId: int64, firstOffset: int64, lastOffset: int64 (of the ABORT marker), lastStableOffset: int64
 */
export function* abortedTransactions(bytes: Uint8Array): Generator<AbortedTransaction, void, undefined> {
  for (let at = 0; at + abortedTransactionBytes <= bytes.length; at += abortedTransactionBytes) {
    if (readInt16(bytes, at) !== 0) throw new Error(`the version of its entry at position ${at} is ${readInt16(bytes, at)}, not 0`)
    yield {
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStableOffset: readInt64(bytes, at + 26)
    }
  }
}
