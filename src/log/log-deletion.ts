import { isPromise, type MaybePromise } from '../common/deferred.js'
import { deletesOldSegments } from './log-options.js'
import { roll } from './log-roll.js'
import type { LogState } from './log-state.js'
import { cutUnwritten } from './log-truncation.js'
import { countBeyondSize, countExpired } from './retention.js'

/*
 * Moving the start of a log up: segments go as a whole, the oldest first.
 */

/** How long a producer that writes nothing is remembered, as Kafka's `producer.id.expiration.ms` has it. */
const producerExpirationMs = 24 * 3_600_000

export function deleteRecordsBefore(log: LogState, offset: number): MaybePromise<void> {
  return log.changes.run(() => {
    log.expectWritable()
    if (!(offset >= 0 && offset <= log.highWatermark)) throw log.outOfRange(offset)
    if (offset <= log.logStartOffset) return
    log.logStartOffset = offset
    log.history.cutStartAt(offset)
    removeFirst(log, log.segments.indexOf(offset))
  })
}

/** Removes the oldest segments as soon as `retentionBytes` remain without them, so that the log never outgrows its bound. */
export function boundSize(log: LogState): void {
  const { all, count, sizeInBytes } = log.segments
  const { retentionBytes } = log.options
  if (retentionBytes < 0 || count === 1 || sizeInBytes - all[0].sizeInBytes < retentionBytes) return
  if (!deletesOldSegments(log.options)) return
  removeFirst(log, Math.min(countBeyondSize(all, sizeInBytes, log.highWatermark, log.options), count - 1))
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
  // Age goes by timestamps, which segments that were not looked into since the log was opened have in their indexes.
  for (const segment of deletesOldSegments(log.options) && retentionMs >= 0 ? log.segments.all.slice() : []) {
    await segment.learnMaxTimestamp()
    if (now - segment.retentionTimestamp <= retentionMs) break
  }
  return removeExpired(log)
}

function removeExpired(log: LogState): MaybePromise<number> {
  const { segments } = log
  if (log.failures.final) throw log.failures.final
  const now = log.clock.now()
  log.history.producers.expire(now, producerExpirationMs)
  const count = countExpired(segments.all, log.logStartOffset, log.highWatermark, log.options, now)
  if (count < segments.count) return removeFirst(log, count)
  const rolled = roll(log, log.nextOffset)
  return isPromise(rolled) ? rolled.then(() => removeFirst(log, count)) : removeFirst(log, count)
}

function removeFirst(log: LogState, count: number): number {
  if (count === 0) return 0
  const { segments } = log
  const bytes = segments.remove(0, count)
  log.logStartOffset = Math.max(log.logStartOffset, segments.all[0].baseOffset)
  log.history.cutStartAt(log.logStartOffset)
  log.events.onSegmentsRemoved?.({ segments: count, bytes, logStartOffset: log.logStartOffset })
  return count
}
