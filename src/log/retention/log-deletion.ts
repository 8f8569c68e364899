import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { expectInteger } from '../../common/options.js'
import { roll } from '../append/log-roll.js'
import { deletesOldSegments } from '../log-options.js'
import type { LogState } from '../log-state.js'
import type { RemovalReason } from '../log-types.js'
import { cutUnwritten } from '../recovery/log-truncation.js'
import { countBeyondSize, countExpired, type Expired } from './retention.js'

/*
 * Moving the start of a log up: segments go as a whole, the oldest first.
 */

export function deleteRecordsBefore(log: LogState, offset: number): MaybePromise<void> {
  return log.changes.run(() => {
    log.expectWritable()
    if (!(offset >= 0 && offset <= log.highWatermark)) throw log.outOfRange(offset)
    expectInteger('offset', offset, 0)
    const from = log.logStartOffset
    if (offset <= from) return
    log.logStartOffset = offset
    log.history.cutStartAt(offset)
    removeFirst(log, log.segments.indexOf(offset), 'deletion', from)
  })
}

/**
 * Removes the oldest segments as soon as `retentionBytes` remain without them, so that the log
 * never outgrows its bound.
 */
export function boundSize(log: LogState): void {
  const { all, count, sizeInBytes } = log.segments
  const { retentionBytes } = log.options
  if (retentionBytes < 0 || count === 1 || sizeInBytes - all[0].sizeInBytes < retentionBytes || sizeInBytes < log.boundSizeAt) return
  if (!deletesOldSegments(log.options)) return
  const keepFrom = log.events.keepFrom?.() ?? Number.POSITIVE_INFINITY
  const removed = removeFirst(
    log,
    Math.min(countBeyondSize(all, sizeInBytes, removableUpTo(log, keepFrom), log.options), count - 1),
    'size'
  )
  // The readers that keep the rest are not asked again at every append.
  log.boundSizeAt = removed > 0 || keepFrom === Number.POSITIVE_INFINITY ? 0 : sizeInBytes + log.options.segmentBytes / 8
}

function removableUpTo(log: LogState, keepFrom: number): number {
  return Math.min(log.highWatermark, keepFrom)
}

/** Removes what lies before an offset, to make room. */
export function removeBefore(log: LogState, offset: number, bytes: number): MaybePromise<number> {
  return log.changes.run(() =>
    log.writes.areOver ? removeNow(log, offset, bytes) : log.writes.settled().then(() => removeNow(log, offset, bytes))
  )
}

function removeNow(log: LogState, offset: number, bytes: number): MaybePromise<number> {
  const { segments } = log
  if (log.failures.final) return 0
  const limit = removableUpTo(log, offset)
  const { active } = segments
  const isActiveBegun = active.sizeInBytes > 0 && limit > active.baseOffset
  if (isActiveBegun && (limit >= active.nextOffset || active.sizeInBytes >= leastEndedBytes)) {
    const rolled = roll(log, log.nextOffset)
    if (isPromise(rolled)) return rolled.then(() => removeEnded(log, limit, bytes))
  }
  return removeEnded(log, limit, bytes)
}

/** A segment is not ended for less than this, so that they do not become too many. */
const leastEndedBytes = 64 * 1024

function removeEnded(log: LogState, limit: number, bytes: number): number {
  const { all, sizeInBytes } = log.segments
  let count = 0
  let found = 0
  while (count < all.length - 1 && found < bytes && all[count + 1].baseOffset <= limit && !all[count].damage)
    found += all[count++].sizeInBytes
  removeFirst(log, count, 'size')
  return sizeInBytes - log.segments.sizeInBytes
}

/** Removes what the options have it. Returns how many segments that were. */
export function applyRetention(log: LogState): MaybePromise<number> {
  return log.changes.run(() => (log.writes.areOver && !log.storage.durable ? removeExpired(log) : learnAndRemoveExpired(log)))
}

async function learnAndRemoveExpired(log: LogState): Promise<number> {
  await log.writes.settled()
  if (log.failures.final) throw log.failures.final
  if (log.failures.lackOfRoom) await cutUnwritten(log)
  const now = log.clock.now()
  const { retentionMs } = log.options
  // Age goes by timestamps, which segments that were not looked into since the log was opened have
  // in their indexes.
  for (const segment of deletesOldSegments(log.options) && retentionMs >= 0 ? log.segments.all.slice() : []) {
    await segment.indexer.learnMaxTimestamp()
    if (now - segment.retentionTimestamp <= retentionMs) break
  }
  return removeExpired(log)
}

function removeExpired(log: LogState): MaybePromise<number> {
  const { segments } = log
  if (log.failures.final) throw log.failures.final
  const now = log.clock.now()
  log.history.producers.expire(now)
  const keepFrom = log.events.keepFrom?.() ?? Number.POSITIVE_INFINITY
  const expired = countExpired(segments.all, log.logStartOffset, log.highWatermark, removableUpTo(log, keepFrom), log.options, now)
  if (expired.below + expired.large + expired.old < segments.count) return removeAll(log, expired)
  const rolled = roll(log, log.nextOffset)
  return isPromise(rolled) ? rolled.then(() => removeAll(log, expired)) : removeAll(log, expired)
}

function removeAll(log: LogState, { below, large, old }: Expired): number {
  return removeFirst(log, below, 'deletion') + removeFirst(log, large, 'size') + removeFirst(log, old, 'time')
}

function removeFirst(log: LogState, count: number, reason: RemovalReason, from = log.logStartOffset): number {
  if (count === 0) return 0
  const { segments } = log
  const bytes = segments.remove(0, count)
  log.logStartOffset = Math.max(log.logStartOffset, segments.all[0].baseOffset)
  log.history.cutStartAt(log.logStartOffset)
  log.events.onSegmentsRemoved?.({ segments: count, bytes, reason, from, logStartOffset: log.logStartOffset })
  return count
}

/**
 * The time at which the first records are to be removed for their age, and where the log starts
 * then.
 */
export async function nextExpiry(log: LogState): Promise<{ readonly at: number; readonly upTo: number } | undefined> {
  const { segments, options, isReadOnly } = log
  const first = segments.at(0)
  if (!first || isReadOnly || options.retentionMs < 0 || !deletesOldSegments(options)) return undefined
  await first.indexer.learnMaxTimestamp()
  if (first.sizeInBytes === 0 || first.lifetime.isRetired) return undefined
  return { at: first.retentionTimestamp + options.retentionMs, upTo: first.nextOffset }
}
