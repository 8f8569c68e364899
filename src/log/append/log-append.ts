import { copyBytes, readInt32 } from '../../common/bytes.js'
import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { isShared } from '../../common/lease.js'
import { KafkaError } from '../../errors.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  batchSizeAt,
  field,
  headerBytes,
  lastOffsetAt,
  leaderEpochAt,
  maxTimestampAt,
  producerIdAt,
  stampBatch
} from '../../record/batch-header.js'
import type { RecordCursor } from '../../record/record-cursor.js'
import { allDone } from '../all-done.js'
import type { ProducedBatch } from '../history/producer-state.js'
import type { LogState } from '../log-state.js'
import type { AppendInfo, AppendOptions } from '../log-types.js'
import { cutUnwritten } from '../recovery/log-truncation.js'
import { boundSize } from '../retention/log-deletion.js'
import type { Segment } from '../segment/segment.js'
import { conflictWith } from './append-condition.js'
import { batchLoans } from './batch-loans.js'
import { checkReplicatedBatch, stampTime, type ValidatedBatch, validateBatch } from './batch-validation.js'
import { rollFor } from './log-roll.js'

interface Submission {
  readonly info: AppendInfo
  /**
   * Tells, when the bytes are written, whether they and all before them are; absent when that is so
   * already.
   */
  readonly written: Promise<boolean> | undefined
}

/**
 * Adds a batch: gives it its offsets while nothing else changes the log, and waits for its bytes
 * while others may.
 */
export function append(log: LogState, batch: Uint8Array, options: AppendOptions): MaybePromise<AppendInfo> {
  const { changes } = log
  const submitted = changes.isBusy ? changes.run(() => submit(log, batch, options)) : changes.follow(submit(log, batch, options))
  return isPromise(submitted) ? submitted.then(submission => settle(log, submission)) : settle(log, submitted)
}

function settle(log: LogState, { info, written }: Submission): MaybePromise<AppendInfo> {
  if (!written) return info
  return written.then(ok => {
    if (ok) return info
    throw log.failures.last
  })
}

function submit(log: LogState, batch: Uint8Array, options: AppendOptions): MaybePromise<Submission> {
  const { origin = 'client', leaderEpoch: given, condition } = options
  log.expectWritable()
  // The offsets are stamped into the batch, which others may be reading where a storage has lent
  // it.
  if (isShared(batch)) batch = copyBytes(batch)
  const held = batchLoans.holder(batch)
  if (held) return held.then(() => submit(log, batch, options))
  if (log.failures.lackOfRoom) return cutUnwritten(log).then(() => submit(log, batch, options))
  const now = log.dates.now()
  if (origin === 'replica') return submitReplicated(log, batch, now)
  const leaderEpoch = leaderEpochFor(log, given)
  const validated = validateBatch(batch, origin, log.options, now, log.dates)
  const again = origin === 'coordinator' ? undefined : log.history.producers.check(validated.bytes)
  if (again) return answerAgain(log, again)
  const { reservations } = log.history
  if (!reservations.isEmpty && origin !== 'coordinator')
    reservations.expectFreeFor(validated.bytes, producerIdAt(validated.bytes, 0), validated.unpacked)
  if (condition) {
    const conflict = conflictWith(log, condition, producerIdAt(validated.bytes, 0))
    // A conflicting batch under way may fail.
    if (conflict && !log.writes.areOver) return log.writes.settled().then(() => submit(log, batch, options))
    if (conflict) throw conflict
  }
  const baseOffset = log.nextOffset
  const lastOffset = baseOffset + readInt32(validated.bytes, field.lastOffsetDelta)
  if (lastOffset >= Number.MAX_SAFE_INTEGER)
    throw new KafkaError('OFFSET_OUT_OF_RANGE', `The log \`${log.folder}\` has used up its offsets`)
  const rolled = rollFor(log, validated.bytes.length, validated.maxTimestamp, baseOffset, lastOffset, now)
  if (!isPromise(rolled)) return stampAndWrite(log, validated, baseOffset, lastOffset, leaderEpoch, now)
  return rolled.then(() => {
    // A write must not follow a failed one: that would leave a gap.
    if (log.failures.last || batchLoans.holder(batch)) return submit(log, batch, options)
    return stampAndWrite(log, { ...validated, unpacked: undefined }, baseOffset, lastOffset, leaderEpoch, now)
  })
}

/**
 * The epoch of a new batch. An epoch before the log's latest one would erase the history of epochs.
 */
function leaderEpochFor(log: LogState, given: number | undefined): number {
  const latest = log.history.leaderEpochs.latest?.epoch ?? -1
  if (given === undefined) return Math.max(latest, 0)
  if (given >= latest || given < 0) return given
  throw new KafkaError(
    'FENCED_LEADER_EPOCH',
    `Expected a leader epoch of at least ${latest}, the latest one in the log \`${log.folder}\`, got ${given}`
  )
}

/**
 * A batch that was sent again gets the answer that it got, or would have got, the first time; not
 * before it is written.
 */
function answerAgain(log: LogState, { baseOffset, lastOffset, timestamp }: ProducedBatch): Submission {
  const logAppendTime = log.options.messageTimestampType === 'LogAppendTime' ? timestamp : -1
  return { info: { baseOffset, lastOffset, logAppendTime, logStartOffset: log.logStartOffset }, written: log.writes.outcome }
}

function stampAndWrite(
  log: LogState,
  { bytes, maxTimestamp, restamp, unpacked }: ValidatedBatch,
  baseOffset: number,
  lastOffset: number,
  leaderEpoch: number,
  now: number
): Submission {
  const isAppendTime = log.options.messageTimestampType === 'LogAppendTime'
  // A producer that sends the same bytes again, because it never saw the answer, must find them as
  // they were.
  const given: Given = {
    baseOffset: baseOffsetAt(bytes, 0),
    leaderEpoch: leaderEpochAt(bytes, 0),
    header: restamp ? bytes.slice(0, headerBytes) : undefined
  }
  stampBatch(bytes, 0, baseOffset, leaderEpoch)
  if (restamp) stampTime(bytes, maxTimestamp, isAppendTime)
  const written = write(log, bytes, lastOffset, maxTimestamp, now, given, unpacked)
  const logAppendTime = isAppendTime ? maxTimestamp : -1
  return { info: { baseOffset, lastOffset, logAppendTime, logStartOffset: log.logStartOffset }, written }
}

async function submitReplicated(log: LogState, bytes: Uint8Array, now: number): Promise<Submission> {
  const batches: Uint8Array[] = []
  let { nextOffset } = log
  let position = 0
  while (position + headerBytes <= bytes.length && position + batchSizeAt(bytes, position) <= bytes.length) {
    const batch = checkReplicatedBatch(bytes, position, nextOffset)
    nextOffset = lastOffsetAt(batch, 0) + 1
    position += batch.length
    batches.push(batch)
  }
  if (batches.length === 0) throw new KafkaError('INVALID_RECORD', 'Expected at least one whole batch')
  let written: Promise<boolean> | undefined
  expectRisingEpochs(log, batches)
  for (const batch of batches) {
    const lastOffset = lastOffsetAt(batch, 0)
    const maxTimestamp = maxTimestampAt(batch, 0)
    await rollFor(log, batch.length, maxTimestamp, baseOffsetAt(batch, 0), lastOffset, now)
    if (log.failures.last) throw log.failures.last
    if (baseOffsetAt(batch, 0) > log.nextOffset) log.chain.noteGapBefore(baseOffsetAt(batch, 0))
    written = write(log, batch, lastOffset, maxTimestamp, now)
  }
  const baseOffset = baseOffsetAt(batches[0], 0)
  return { info: { baseOffset, lastOffset: nextOffset - 1, logAppendTime: -1, logStartOffset: log.logStartOffset }, written }
}

function expectRisingEpochs(log: LogState, batches: readonly Uint8Array[]): void {
  let latest = log.history.leaderEpochs.latest?.epoch ?? -1
  for (const batch of batches) {
    const epoch = leaderEpochAt(batch, 0)
    if (epoch < 0) continue
    if (epoch < latest) throw new KafkaError('INVALID_RECORD', `A batch of leader epoch ${epoch} cannot follow one of epoch ${latest}`)
    latest = epoch
  }
}

/** The original fields of a lent batch, which are restored. */
interface Given {
  readonly baseOffset: number
  readonly leaderEpoch: number
  /** All of it, where more than these has been changed. */
  readonly header: Uint8Array | undefined
}

function giveBack(bytes: Uint8Array, given: Given | undefined): void {
  if (given?.header) bytes.set(given.header)
  else if (given) stampBatch(bytes, 0, given.baseOffset, given.leaderEpoch)
}

/**
 * Hands a batch to the active segment. The log ends after it once it is written, and once all
 * before it are.
 */
function write(
  log: LogState,
  bytes: Uint8Array,
  lastOffset: number,
  maxTimestamp: number,
  now: number,
  given?: Given,
  unpacked?: RecordCursor
): Promise<boolean> | undefined {
  const segment = log.segments.active
  const position = segment.sizeInBytes
  const end = position + bytes.length
  const nextOffset = lastOffset + 1
  let writing: MaybePromise<void>
  try {
    writing = segment.file.append(bytes)
  } catch (error) {
    giveBack(bytes, given)
    throw log.failures.ofWrite(error)
  }
  log.nextOffset = nextOffset
  if (attributesAt(bytes, 0) & attribute.control) {
    log.endsTransaction(producerIdAt(bytes, 0), lastOffset)
    log.history.reservations.release(producerIdAt(bytes, 0))
  }
  log.history.note(bytes, 0, now)
  const isAsync = isPromise(writing) || !log.writes.areOver || log.flusher.namesSynced !== undefined
  log.history.keys?.note(bytes, 0, isAsync, unpacked)
  log.segments.grow(bytes.length)
  segment.indexer.note(position, lastOffset, maxTimestamp, now)
  const { namesSynced } = log.flusher
  if (namesSynced) writing = allDone([writing, namesSynced])
  if (isPromise(writing) || !log.writes.areOver) return whenWritten(log, segment, writing, bytes, given, end, nextOffset)
  giveBack(bytes, given)
  publish(log, segment, end, nextOffset)
  return undefined
}

function whenWritten(
  log: LogState,
  segment: Segment,
  writing: MaybePromise<void>,
  bytes: Uint8Array,
  given: Given | undefined,
  end: number,
  nextOffset: number
): Promise<boolean> {
  const written = log.writes.take(writing, log.failures.ofWrite, ok => {
    giveBack(bytes, given)
    if (ok) publish(log, segment, end, nextOffset)
  })
  batchLoans.hold(bytes, written)
  return written
}

function publish(log: LogState, segment: Segment, readableBytes: number, nextOffset: number): void {
  log.failures.succeeded()
  segment.publish(readableBytes, nextOffset)
  log.logEndOffset = nextOffset
  log.history.keys?.published(nextOffset)
  if (log.autoHighWatermark) log.highWatermark = nextOffset
  boundSize(log)
}
