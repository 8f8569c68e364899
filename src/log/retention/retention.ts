import { type CompleteLogOptions, deletesOldSegments } from '../log-options.js'
import type { Segment } from '../segment/segment.js'
import { floorIndex } from '../segment/segment-list.js'

/*
 * The number of a log's oldest segments that may go. Only a run from the start is ever removed, and
 * nothing above the high watermark; a last segment that is empty stays.
 */

/** Segments without which the log still has `retentionBytes`. */
export function countBeyondSize(
  segments: readonly Segment[],
  sizeInBytes: number,
  highWatermark: number,
  options: CompleteLogOptions
): number {
  if (options.retentionBytes < 0) return 0
  let surplus = sizeInBytes - options.retentionBytes
  let count = 0
  while (count < segments.length && surplus >= segments[count].sizeInBytes && isDeletable(segments, count, highWatermark)) {
    surplus -= segments[count].sizeInBytes
    count++
  }
  return count
}

/** Segments whose largest timestamp is more than `retentionMs` ago. */
function countBeyondAge(segments: readonly Segment[], highWatermark: number, options: CompleteLogOptions, now: number): number {
  if (options.retentionMs < 0) return 0
  let count = 0
  while (
    count < segments.length &&
    now - segments[count].retentionTimestamp > options.retentionMs &&
    isDeletable(segments, count, highWatermark)
  )
    count++
  return count
}

/**
 * The number of segments that are due for each of the three reasons, in the order in which they go.
 */
export interface Expired {
  readonly below: number
  readonly large: number
  readonly old: number
}

/** Segments that are due. Those beyond the size go only up to `keepFrom`. */
export function countExpired(
  segments: readonly Segment[],
  logStartOffset: number,
  highWatermark: number,
  keepFrom: number,
  options: CompleteLogOptions,
  now: number
): Expired {
  const below = floorIndex(segments, logStartOffset)
  if (!deletesOldSegments(options)) return { below, large: 0, old: 0 }
  const rest = segments.slice(below)
  const restBytes = rest.reduce((bytes, segment) => bytes + segment.sizeInBytes, 0)
  const large = countBeyondSize(rest, restBytes, keepFrom, options)
  return { below, large, old: countBeyondAge(rest.slice(large), highWatermark, options, now) }
}

function isDeletable(segments: readonly Segment[], index: number, highWatermark: number): boolean {
  const isLast = index === segments.length - 1
  // A damaged segment is kept as evidence until someone deletes it.
  if (segments[index].damage) return false
  if (isLast && segments[index].sizeInBytes === 0) return false
  return highWatermark >= (isLast ? segments[index].nextOffset : segments[index + 1].baseOffset)
}
