import { release } from '../../common/lease.js'
import { headerBytes, maxTimestampAt } from '../../record/batch-header.js'
import { type CompleteLogOptions, compacts } from '../log-options.js'
import type { Segment } from '../segment/segment.js'
import { floorIndex } from '../segment/segment-list.js'

/** The part of a log that compaction has not seen yet, and whether compaction is due. */
export interface Dirtiness {
  /** Records from here on came after the log was last compacted. */
  readonly firstDirtyOffset: number
  /** Compaction may work up to here, exclusive: where a segment starts. */
  readonly endOffset: number
  readonly cleanBytes: number
  readonly dirtyBytes: number
  /** Dirty bytes of all that may be compacted, from 0 to 1. */
  readonly ratio: number
  /**
   * True if the ratio is above `minCleanableDirtyRatio`, or a record has waited longer than
   * `maxCompactionLagMs`.
   */
  readonly isDue: boolean
}

export interface MeasuredLog {
  readonly options: CompleteLogOptions
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Undefined where nothing is known to have been compacted. */
  readonly compactedUpTo: number | undefined
}

/**
 * Measures a log of at least one segment, of which only what lies before `limit` may be compacted;
 * the last one, which is active, never is.
 */
export async function dirtinessOf(
  { options, logStartOffset, logEndOffset, compactedUpTo }: MeasuredLog,
  segments: readonly Segment[],
  limit: number,
  now: number
): Promise<Dirtiness> {
  const known = compactedUpTo ?? logStartOffset
  const firstDirtyOffset = known < logStartOffset || known > logEndOffset ? logStartOffset : known
  const firstDirty = floorIndex(segments, firstDirtyOffset)
  const end = Math.max(firstDirty, await uncleanableIndex(options, segments, firstDirty, limit, now))
  const cleanBytes = bytesOf(segments, 0, segments[firstDirty].baseOffset < firstDirtyOffset ? firstDirty + 1 : firstDirty)
  const dirtyBytes = bytesOf(segments, firstDirty, end)
  const ratio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes)
  const isOverdue = dirtyBytes > 0 && (await hasWaitedTooLong(options, segments.slice(firstDirty, -1), now))
  return {
    firstDirtyOffset,
    endOffset: Math.max(firstDirtyOffset, segments[end].baseOffset),
    cleanBytes,
    dirtyBytes,
    ratio,
    isDue: compacts(options) && (isOverdue || ratio > options.minCleanableDirtyRatio)
  }
}

/**
 * The first segment that compaction must leave alone: it holds undecided records, is too young, or
 * active.
 */
async function uncleanableIndex(
  { minCompactionLagMs }: CompleteLogOptions,
  segments: readonly Segment[],
  firstDirty: number,
  limit: number,
  now: number
): Promise<number> {
  const active = segments.length - 1
  const undecided = Math.min(active, floorIndex(segments, limit))
  if (minCompactionLagMs === 0) return undecided
  for (let i = firstDirty; i < undecided; i++) {
    await segments[i].indexer.learnMaxTimestamp()
    if (segments[i].timestamps.largest > now - minCompactionLagMs) return i
  }
  return undecided
}

async function hasWaitedTooLong({ maxCompactionLagMs }: CompleteLogOptions, segments: readonly Segment[], now: number): Promise<boolean> {
  if (maxCompactionLagMs < 0) return false
  for (const segment of segments) {
    const timestamp = await firstTimestampOf(segment)
    if (timestamp > 0 && timestamp < now - maxCompactionLagMs) return true
  }
  return false
}

async function firstTimestampOf({ file }: Segment): Promise<number> {
  const view = await file.read(0, headerBytes)
  const timestamp = view.length < headerBytes ? -1 : maxTimestampAt(view, 0)
  release(view)
  return timestamp
}

function bytesOf(segments: readonly Segment[], start: number, end: number): number {
  let bytes = 0
  for (let i = start; i < end; i++) bytes += segments[i].sizeInBytes
  return bytes
}
