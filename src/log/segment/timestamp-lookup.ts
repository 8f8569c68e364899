import { lastOffsetAt, leaderEpochAt, maxTimestampAt } from '../../record/batch-header.js'
import { RecordCursor } from '../../record/record-cursor.js'
import type { Segment } from './segment.js'

/** A record found by its timestamp. */
export interface TimestampedOffset {
  readonly timestamp: number
  readonly offset: number
  /** The epoch of the leader that took it in. */
  readonly leaderEpoch: number
}

/** Nothing waits between a `reset` and the end of its walk, so one cursor serves all logs. */
const cursor = new RecordCursor()

/** The first record, from `startOffset` on, whose timestamp is at or after `timestamp`. */
export async function offsetOfTimestamp(
  segments: readonly Segment[],
  timestamp: number,
  startOffset: number
): Promise<TimestampedOffset | undefined> {
  for (const segment of segments) {
    await segment.indexer.learnMaxTimestamp()
    if (segment.timestamps.largest < timestamp) continue
    const from = Math.max(await segment.indexer.offsetBefore(timestamp), startOffset)
    const found = await firstRecord(segment, from, timestamp, startOffset)
    if (found) return found
  }
  return undefined
}

/** The first record with the largest timestamp. */
export async function offsetOfMaxTimestamp(segments: readonly Segment[]): Promise<TimestampedOffset | undefined> {
  let latest: Segment | undefined
  for (const segment of segments) await segment.indexer.learnMaxTimestamp()
  for (const segment of segments) if (segment.timestamps.largest > (latest?.timestamps.largest ?? -1)) latest = segment
  return latest && firstRecord(latest, latest.timestamps.offsetOfLargest, latest.timestamps.largest, 0)
}

async function firstRecord(segment: Segment, from: number, timestamp: number, startOffset: number): Promise<TimestampedOffset | undefined> {
  let found: TimestampedOffset | undefined
  await segment.walk(from, (bytes, position) => {
    if (maxTimestampAt(bytes, position) < timestamp || lastOffsetAt(bytes, position) < startOffset) return false
    cursor.reset(bytes, position)
    while (cursor.next()) {
      if (cursor.timestamp < timestamp || cursor.offset < startOffset) continue
      found = { timestamp: cursor.timestamp, offset: cursor.offset, leaderEpoch: leaderEpochAt(bytes, position) }
      return true
    }
    return false
  })
  return found
}
