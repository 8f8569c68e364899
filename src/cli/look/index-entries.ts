import { readInt32, readInt64 } from '../../common/bytes.js'

/** Entries of the index files beside a log; `src/log` draws their formats. */
export interface OffsetIndexEntry {
  readonly offset: number
  readonly position: number
}

export interface TimeIndexEntry {
  readonly timestamp: number
  readonly offset: number
}

export const offsetEntryBytes = 8
export const timeEntryBytes = 12

/**
 * The entries of an `.index` file. One that is in use may end in zeros, for entries to come: they
 * are left out.
 */
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
