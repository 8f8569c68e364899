import { readInt32 } from '../common/bytes.js'
import { type Clock, systemClock } from '../common/clock.js'
import { isPromise, type MaybePromise } from '../common/deferred.js'
import { expectInteger } from '../common/options.js'
import { KafkaError } from '../errors.js'
import {
  baseOffsetAt,
  batchSizeAt,
  field,
  headerBytes,
  lastOffsetAt,
  leaderEpochAt,
  maxTimestampAt,
  stampBatch
} from '../record/batch-header.js'
import type { Storage } from '../storage/storage.js'
import { checkReplicatedBatch, stampTime, type ValidatedBatch, validateBatch } from './batch-validation.js'
import { type CompactionReport, type CompactOptions, Compactor } from './compaction/compactor.js'
import type { Dirtiness } from './compaction/dirtiness.js'
import { InOrder } from './in-order.js'
import { isLackOfRoom } from './lack-of-room.js'
import type { LeaderEpochs } from './leader-epochs.js'
import { LogFlusher } from './log-flusher.js'
import { lookIntoFolder } from './log-folder.js'
import { LogHistory } from './log-history.js'
import {
  type CompleteLogOptions,
  completeLogOptions,
  deletesOldSegments,
  durableLogDefaults,
  type LogOptions,
  memoryLogDefaults
} from './log-options.js'
import type { AppendInfo, AppendOptions, LogOpenOptions, ReadOptions } from './log-types.js'
import { type ProducedBatch, ProducerState } from './producer-state.js'
import { openSegments, type RecoveryReport, replay } from './recovery.js'
import { countBelow, countBeyondSize, countExpired } from './retention.js'
import { Segment, type SegmentRead } from './segment.js'
import { SegmentList } from './segment-list.js'
import { offsetOfMaxTimestamp, offsetOfTimestamp, type TimestampedOffset } from './timestamp-lookup.js'
import { nextOffsetIn, TransactionCheck } from './transaction-check.js'
import type { AbortedTransaction } from './transaction-index.js'
import { WriteTurns } from './write-turns.js'

interface Submission {
  readonly info: AppendInfo
  /** Tells, when the bytes are written, whether they and all before them are; absent when that is so already. */
  readonly written: Promise<boolean> | undefined
}

const nothing = new Uint8Array(0)
const noOptions = {}

/**
 * One partition's log: batches of records, each with its offset, in segments that are begun, indexed and removed as Kafka does it.
 * A topic keeps one per partition; alone it is a write-ahead log:
 *
 * ```ts
 * await using log = await Log.open(memoryStorage(), 'journal')
 * const { baseOffset } = await log.append(RecordBatch.of([{ key: 'u-42', value: 'moved' }]).bytes)
 * for (const batch of batchesIn(await log.read(baseOffset, 65536)))
 *   for (const record of batch.records()) console.log(record.offset, record.value)
 * ```
 *
 * Where the storage is synchronous, as memory is, `append` and `read` return plainly instead of a promise, and throw instead of rejecting.
 * What goes wrong with data is a `KafkaError` with Kafka's code. After a failed write the log takes no more of them
 * (`KAFKA_STORAGE_ERROR`), but can still be read.
 */
export class Log {
  readonly folder: string
  /** What opening it found out. */
  readonly recovery: RecoveryReport
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #autoHighWatermark: boolean
  readonly #onRoll: LogOpenOptions['onRoll']
  readonly #onSegmentsRemoved: LogOpenOptions['onSegmentsRemoved']
  readonly #onFailure: LogOpenOptions['onFailure']
  readonly #saveRecoveryPoint: LogOpenOptions['saveRecoveryPoint']
  readonly #segments: SegmentList
  readonly #history: LogHistory
  readonly #flusher: LogFlusher
  readonly #isReadOnly: boolean
  /** All that changes the log stands in this line; reads do not. */
  readonly #changes = new InOrder()
  readonly #writes = new WriteTurns()
  readonly #compactor: Compactor
  readonly #transactionCheck: TransactionCheck
  /** Up to here files say which transactions were aborted, from here on the batches themselves. */
  #abortedKnownFrom: number
  #options: CompleteLogOptions
  #logStartOffset = 0
  #logEndOffset = 0
  #highWatermark = 0
  /** What the next batch gets; ahead of `#logEndOffset` while writes are under way. */
  #nextOffset = 0
  #failure: KafkaError | undefined
  /** Why the last write failed, where there was only no room for it: its bytes must be cut away before the next. */
  #lackOfRoom: KafkaError | undefined
  #compactionLimit: number | undefined
  #closing: Promise<void> | undefined

  private constructor(
    storage: Storage,
    folder: string,
    openOptions: LogOpenOptions,
    options: CompleteLogOptions,
    segments: Segment[],
    history: LogHistory,
    recovery: RecoveryReport
  ) {
    this.#storage = storage
    this.folder = folder
    this.#clock = openOptions.clock ?? systemClock
    this.#autoHighWatermark = openOptions.autoHighWatermark ?? true
    this.#onRoll = openOptions.onRoll
    this.#onSegmentsRemoved = openOptions.onSegmentsRemoved
    this.#options = options
    this.#onFailure = openOptions.onFailure
    this.#saveRecoveryPoint = openOptions.saveRecoveryPoint
    this.#isReadOnly = storage.readOnly ?? false
    this.#segments = new SegmentList(segments, cause => this.#failBehind(cause))
    this.#history = history
    this.#flusher = new LogFlusher(storage, folder, history, openOptions.recoveryPoint ?? 0, {
      onSealed: segment => this.#segments.limitLoaded(segment),
      onFailure: cause => this.#failBehind(cause),
      removed: () => this.#segments.removals().then(() => this.#failure === undefined)
    })
    this.recovery = recovery
    this.#transactionCheck = new TransactionCheck(this, history.transactions)
    this.#abortedKnownFrom = history.start
    this.#compactor = new Compactor({
      log: this,
      storage,
      clock: this.#clock,
      segments: this.#segments,
      firstDirtyOffset: openOptions.firstDirtyOffset,
      exclusively: change => this.#change(change),
      onReplaced: range => history.transactions.forget(range)
    })
  }

  /**
   * Opens the log in `folder`, which is empty for a new one. What a crash may have damaged is checked; see `recovery` for what was found. Damage that no
   * crash explains raises `CORRUPT_MESSAGE`, naming the file and the position, and changes nothing.
   */
  static async open(storage: Storage, folder: string, openOptions: LogOpenOptions = {}): Promise<Log> {
    const {
      clock = systemClock,
      autoHighWatermark: _,
      logStartOffset = 0,
      recoveryPoint,
      isClean = false,
      firstDirtyOffset,
      onRoll: _r,
      onSegmentsRemoved: _s,
      onFailure: _f,
      saveRecoveryPoint: _p,
      ...rest
    } = openOptions
    const options = completeLogOptions(rest, storage.durable ? durableLogDefaults : memoryLogDefaults)
    expectInteger('logStartOffset', logStartOffset, 0)
    if (recoveryPoint !== undefined) expectInteger('recoveryPoint', recoveryPoint, 0)
    if (firstDirtyOffset !== undefined) expectInteger('firstDirtyOffset', firstDirtyOffset, 0)
    const mayChange = !storage.readOnly
    const files = await lookIntoFolder(storage, folder, mayChange)
    const history = new LogHistory(storage, folder)
    const opening = { storage, folder, files, options, history, now: clock.now(), isClean, recoveryPoint, mayChange }
    const { segments, report, trusted } = await openSegments(opening)
    const log = new Log(storage, folder, openOptions, options, segments, history, report)
    await log.#begin(logStartOffset, isClean && report.batches === 0 ? segments.length : trusted)
    return log
  }

  /** A log that cannot be used for the reason given, so that others can: whatever it is asked for, it answers with that. */
  static stopped(storage: Storage, folder: string, failure: KafkaError, openOptions: LogOpenOptions = {}): Log {
    const {
      clock,
      autoHighWatermark,
      logStartOffset,
      recoveryPoint,
      isClean,
      firstDirtyOffset,
      onRoll,
      onSegmentsRemoved,
      onFailure,
      saveRecoveryPoint,
      ...rest
    } = openOptions
    const options = completeLogOptions(rest, storage.durable ? durableLogDefaults : memoryLogDefaults)
    const log = new Log(storage, folder, openOptions, options, [], new LogHistory(storage, folder), { segments: 0, batches: 0 })
    log.#failure = new KafkaError('KAFKA_STORAGE_ERROR', `The log \`${folder}\` is stopped: ${failure.message}`, { cause: failure })
    return log
  }

  async #begin(logStartOffset: number, safeSegments: number): Promise<void> {
    const first = this.#segments.at(0)
    this.#setEnd(first ? this.#segments.active.nextOffset : logStartOffset)
    // Where everything that is left had been deleted, the offsets up to the start were given out all the same.
    if (logStartOffset > this.#nextOffset && !this.#isReadOnly) return this.#startAnew(logStartOffset)
    if (!first && !this.#isReadOnly) this.#segments.push(await this.#openSegment(logStartOffset))
    this.#logStartOffset = Math.max(logStartOffset, first?.baseOffset ?? 0)
    this.#highWatermark = this.#autoHighWatermark ? this.#logEndOffset : this.#logStartOffset
    this.#history.cutStartAt(this.#logStartOffset)
    if (!this.#storage.durable || this.#isReadOnly) return
    if (!first) this.#flusher.isFresh(this.#logEndOffset)
    else if (safeSegments === this.#segments.count) this.#flusher.allIsSafe(this.#logEndOffset, this.sizeInBytes === 0)
    else await this.#flusher.recovered(this.#segments.all.slice(safeSegments), this.#logEndOffset, this.recovery.tornTail !== undefined)
  }

  /** Which leaders wrote it. */
  get leaderEpochs(): LeaderEpochs {
    return this.#history.leaderEpochs
  }

  /** The aborted transactions, ordered by their first offset, whose batches are passed over by readers of `bytes`, which were read at `offset`. */
  abortedTransactions(offset: number, bytes: Uint8Array): MaybePromise<readonly AbortedTransaction[]> {
    const { transactions } = this.#history
    const listed = () => (transactions.isEmpty ? [] : transactions.between(offset, nextOffsetIn(bytes)))
    if (offset >= this.#abortedKnownFrom) return listed()
    const isTrue = this.#transactionCheck.holdsFor(bytes)
    if (isTrue === true) return listed()
    return Promise.resolve(isTrue)
      .then(holds => (holds ? undefined : this.#rebuildTransactions()))
      .then(listed)
  }

  async #rebuildTransactions(): Promise<void> {
    return this.#change(async () => {
      if (this.#abortedKnownFrom === 0) return
      const producers = new ProducerState()
      const aborted: AbortedTransaction[] = []
      await replay(this.#segments.all, this.firstSegmentOffset, this.#logEndOffset, (bytes, position) => {
        const found = producers.note(bytes, position)
        if (found) aborted.push(found)
      })
      const { transactions } = this.#history
      transactions.replace(aborted)
      this.#abortedKnownFrom = 0
      if (!this.#storage.durable || this.#isReadOnly) return
      for (const segment of this.#segments.all) await transactions.write(segment)
      await this.#storage.syncFolder(this.folder)
    })
  }

  /** What is known of the idempotent producers that wrote to it. */
  get producers(): ProducerState {
    return this.#history.producers
  }

  /** All before this offset survives a power cut. */
  get recoveryPoint(): number {
    return this.#flusher.recoveryPoint(this.#logEndOffset)
  }

  /** Where its first segment starts, which is no later than the log itself. */
  get firstSegmentOffset(): number {
    return this.#segments.at(0)?.baseOffset ?? 0
  }

  /** Whether it could not be opened, see `stopped`. */
  get isStopped(): boolean {
    return this.#segments.count === 0 && !this.#isReadOnly && this.#failure !== undefined
  }

  /** The options in effect. */
  get options(): CompleteLogOptions {
    return this.#options
  }

  /** The first offset that can be read. */
  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** The offset that the next record will get. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  /** Records below this offset are committed: no election takes them back. */
  get highWatermark(): number {
    return this.#highWatermark
  }

  /** Records below this offset are committed, and so are their transactions. */
  get lastStableOffset(): number {
    return this.#highWatermark
  }

  /** Records from this offset on have not been compacted. */
  get firstDirtyOffset(): number {
    return this.#compactor.firstDirtyOffset
  }

  get segmentCount(): number {
    return this.#segments.count
  }

  /** Bytes of all batches. */
  get sizeInBytes(): number {
    return this.#segments.sizeInBytes
  }

  /** Why the log takes no more writes, if that is so. */
  get failure(): KafkaError | undefined {
    return this.#failure
  }

  /** Changes options of the running log; they count from the next append or retention on. */
  configure(options: LogOptions): void {
    this.#options = completeLogOptions(options, this.#options)
  }

  /**
   * Adds one batch and gives it the next offsets, after checking it as a Kafka leader does (a replica's batches, of which there may be
   * several, keep their offsets). The bytes are borrowed until the call, or its promise, has returned: meanwhile the header carries the
   * new offset and leader epoch, afterwards it is as it was.
   *
   * Raises `CORRUPT_MESSAGE`, `INVALID_RECORD`, `INVALID_TIMESTAMP` (both perhaps as `RecordValidationError`, telling which records),
   * `MESSAGE_TOO_LARGE`, `RECORD_LIST_TOO_LARGE`, `UNSUPPORTED_COMPRESSION_TYPE`, `POLICY_VIOLATION` (the storage is read-only) or
   * `KAFKA_STORAGE_ERROR`.
   */
  append(batch: Uint8Array, options: AppendOptions = noOptions): MaybePromise<AppendInfo> {
    this.#expectOpen()
    const changes = this.#changes
    const submitted = changes.isBusy ? changes.run(() => this.#submit(batch, options)) : changes.follow(this.#submit(batch, options))
    return isPromise(submitted) ? submitted.then(submission => this.#settle(submission)) : this.#settle(submitted)
  }

  #settle({ info, written }: Submission): MaybePromise<AppendInfo> {
    if (!written) return info
    return written.then(ok => {
      if (ok) return info
      throw this.#failure ?? this.#lackOfRoom
    })
  }

  #submit(batch: Uint8Array, { origin = 'client', leaderEpoch = 0 }: AppendOptions): MaybePromise<Submission> {
    if (this.#failure) throw this.#failure
    if (this.#isReadOnly) throw this.#readOnlyError()
    if (this.#lackOfRoom) return this.#cutUnwritten().then(() => this.#submit(batch, { origin, leaderEpoch }))
    const now = this.#clock.now()
    if (origin === 'replica') return this.#submitReplicated(batch, now)
    const validated = validateBatch(batch, origin, this.#options, now)
    const again = origin === 'coordinator' ? undefined : this.producers.check(validated.bytes)
    if (again) return this.#answerAgain(again)
    const baseOffset = this.#nextOffset
    const lastOffset = baseOffset + readInt32(validated.bytes, field.lastOffsetDelta)
    if (lastOffset >= Number.MAX_SAFE_INTEGER)
      throw new KafkaError('OFFSET_OUT_OF_RANGE', `The log \`${this.folder}\` has used up its offsets`)
    const rolled = this.#rollFor(validated.bytes.length, validated.maxTimestamp, baseOffset, lastOffset, now)
    if (!isPromise(rolled)) return this.#stampAndWrite(validated, baseOffset, lastOffset, leaderEpoch, now)
    return rolled.then(() => {
      // Where a write before this one has failed meanwhile, this one may not come after the gap.
      if (this.#failure || this.#lackOfRoom) return this.#submit(batch, { origin, leaderEpoch })
      return this.#stampAndWrite(validated, baseOffset, lastOffset, leaderEpoch, now)
    })
  }

  /** A batch that was sent again gets the answer that it got, or would have got, the first time; not before it is written. */
  #answerAgain({ baseOffset, lastOffset, timestamp }: ProducedBatch): Submission {
    const logAppendTime = this.#options.messageTimestampType === 'LogAppendTime' ? timestamp : -1
    const written = this.#writes.areOver
      ? undefined
      : this.#writes.take(
          undefined,
          () => {},
          () => {}
        )
    return { info: { baseOffset, lastOffset, logAppendTime, logStartOffset: this.#logStartOffset }, written }
  }

  #stampAndWrite(validated: ValidatedBatch, baseOffset: number, lastOffset: number, leaderEpoch: number, now: number): Submission {
    const { bytes, maxTimestamp, restamp } = validated
    const isAppendTime = this.#options.messageTimestampType === 'LogAppendTime'
    const givenOffset = baseOffsetAt(bytes, 0)
    const givenEpoch = leaderEpochAt(bytes, 0)
    const givenHeader = restamp ? bytes.slice(0, headerBytes) : undefined
    stampBatch(bytes, 0, baseOffset, leaderEpoch)
    if (restamp) stampTime(bytes, maxTimestamp, isAppendTime)
    // A producer that sends the same bytes again, because it never saw the answer, must find them as they were.
    const written = this.#write(bytes, lastOffset, maxTimestamp, now, () => {
      if (givenHeader) bytes.set(givenHeader)
      else stampBatch(bytes, 0, givenOffset, givenEpoch)
    })
    return {
      info: { baseOffset, lastOffset, logAppendTime: isAppendTime ? maxTimestamp : -1, logStartOffset: this.#logStartOffset },
      written
    }
  }

  async #submitReplicated(bytes: Uint8Array, now: number): Promise<Submission> {
    const batches: Uint8Array[] = []
    let nextOffset = this.#nextOffset
    let position = 0
    while (position + headerBytes <= bytes.length && position + batchSizeAt(bytes, position) <= bytes.length) {
      const batch = checkReplicatedBatch(bytes, position, nextOffset)
      nextOffset = lastOffsetAt(batch, 0) + 1
      position += batch.length
      batches.push(batch)
    }
    if (batches.length === 0) throw new KafkaError('INVALID_RECORD', 'Expected at least one whole batch')
    let written: Promise<boolean> | undefined
    for (const batch of batches) {
      const lastOffset = lastOffsetAt(batch, 0)
      const maxTimestamp = maxTimestampAt(batch, 0)
      await this.#rollFor(batch.length, maxTimestamp, baseOffsetAt(batch, 0), lastOffset, now)
      if (this.#failure || this.#lackOfRoom) throw this.#failure ?? this.#lackOfRoom
      written = this.#write(batch, lastOffset, maxTimestamp, now)
    }
    const baseOffset = baseOffsetAt(batches[0], 0)
    return { info: { baseOffset, lastOffset: nextOffset - 1, logAppendTime: -1, logStartOffset: this.#logStartOffset }, written }
  }

  readonly #onWriteFailure = (cause: unknown): void => void this.#failWrite(cause)

  /** Where there was no room, only this write has failed, and the next may succeed; anything else ends the writing. */
  #failWrite(cause: unknown): KafkaError {
    if (this.#failure || !isLackOfRoom(cause)) return this.#poison(cause)
    const message = `There was no room for a write to the log \`${this.folder}\`: ${reasonOf(cause)}`
    this.#lackOfRoom ??= new KafkaError('KAFKA_STORAGE_ERROR', message, { cause })
    return this.#lackOfRoom
  }

  /** Cuts away what a write that failed for lack of room, and those after it, have left. */
  async #cutUnwritten(): Promise<void> {
    await this.#writes.settled()
    if (this.#failure) throw this.#failure
    if (!this.#lackOfRoom) return
    try {
      await this.#flusher.idle()
      const end = this.#logEndOffset
      const index = this.#segments.indexOf(end)
      const segment = this.#segments.at(index) as Segment
      segment.forgetFrom(segment.readableBytes, end)
      const isRemoving = index + 1 < this.#segments.count
      this.#segments.remove(index + 1, Number.POSITIVE_INFINITY)
      this.#nextOffset = end
      await segment.cutFile()
      // It may have been the sync that found no room: then nothing more can be known of the file.
      if (this.#storage.syncsAppends) await segment.file.sync()
      this.#segments.recount()
      await this.#segments.removals()
      await this.#rememberUpTo(end)
      if (this.#storage.durable && isRemoving) await this.#flusher.wasCut(end)
    } catch (error) {
      throw this.#poison(error)
    }
    this.#lackOfRoom = undefined
  }

  /** Brings what is known of epochs and producers back to what it was when the log ended at `end`. */
  async #rememberUpTo(end: number): Promise<void> {
    const from = await this.#history.cutAt(end)
    await replay(this.#segments.all, Math.max(from, this.#logStartOffset), end, (bytes, position) => this.#history.replay(bytes, position))
  }

  /** Hands a batch to the active segment. The log ends after it once it is written, and once all before it are. */
  #write(bytes: Uint8Array, lastOffset: number, maxTimestamp: number, now: number, giveBack?: () => void): Promise<boolean> | undefined {
    const segment = this.#segments.active
    const position = segment.sizeInBytes
    const end = position + bytes.length
    const nextOffset = lastOffset + 1
    let writing: MaybePromise<void>
    try {
      writing = segment.file.append(bytes)
    } catch (error) {
      giveBack?.()
      throw this.#failWrite(error)
    }
    this.#nextOffset = nextOffset
    this.#history.note(bytes, 0)
    this.#segments.grow(bytes.length)
    segment.note(position, lastOffset, maxTimestamp, now)
    const { namesSynced } = this.#flusher
    if (namesSynced) writing = Promise.all([writing, namesSynced]).then(ignore)
    if (isPromise(writing) || !this.#writes.areOver) {
      return this.#writes.take(writing, this.#onWriteFailure, ok => {
        giveBack?.()
        if (ok) this.#publish(segment, end, nextOffset)
      })
    }
    giveBack?.()
    this.#publish(segment, end, nextOffset)
    return undefined
  }

  #publish(segment: Segment, readableBytes: number, nextOffset: number): void {
    segment.publish(readableBytes, nextOffset)
    this.#logEndOffset = nextOffset
    if (this.#autoHighWatermark) this.#highWatermark = nextOffset
    this.#boundSize()
  }

  /** Removes the oldest segments as soon as `retentionBytes` remain without them, so that the log never outgrows its bound. */
  #boundSize(): void {
    const { all, count, sizeInBytes } = this.#segments
    const { retentionBytes } = this.#options
    if (retentionBytes < 0 || count === 1 || sizeInBytes - all[0].sizeInBytes < retentionBytes) return
    if (!deletesOldSegments(this.#options)) return
    this.#removeFirst(Math.min(countBeyondSize(all, sizeInBytes, this.#highWatermark, this.#options), count - 1))
  }

  #rollFor(size: number, maxTimestamp: number, baseOffset: number, lastOffset: number, now: number): MaybePromise<void> {
    if (this.#segments.active.mustRollFor(size, maxTimestamp, lastOffset, this.#options, now)) return this.#roll(baseOffset)
  }

  /** Ends the active segment and begins the next one at `baseOffset`. */
  #roll(baseOffset: number): MaybePromise<void> {
    let next: MaybePromise<Segment>
    try {
      next = this.#openSegment(baseOffset)
    } catch (error) {
      throw this.#failWrite(error)
    }
    if (!isPromise(next)) return this.#activate(next)
    return next.then(
      opened => this.#activate(opened),
      error => {
        throw this.#failWrite(error)
      }
    )
  }

  #activate(segment: Segment): void {
    const ended = this.#segments.active
    ended.seal()
    if (this.#storage.durable) this.#flusher.rolled(ended, segment.baseOffset)
    // An empty segment whose relative offsets do not reach far enough gives way to the new one.
    if (ended.sizeInBytes === 0) this.#segments.remove(this.#segments.count - 1, 1)
    this.#segments.push(segment)
    this.#onRoll?.(segment.baseOffset)
  }

  /**
   * Whole batches, back to back, from the one that contains `offset` on: usually no more than `maxBytes`, and as many as are cheap to
   * return in one piece. Empty at the end of the log. The first batch may begin before `offset`; whoever decodes it skips those records.
   * The bytes are lent (`release`). Checksums are left to whoever decodes them (`RecordBatch.verify`), as in Kafka. Raises `OFFSET_OUT_OF_RANGE` below `logStartOffset` and above `logEndOffset`, `CORRUPT_MESSAGE` for
   * damage that stands in the way, and `KAFKA_STORAGE_ERROR` when the storage fails.
   */
  read(
    offset: number,
    maxBytes: number,
    { upTo = this.#logEndOffset, minOneBatch = true }: ReadOptions = noOptions
  ): MaybePromise<Uint8Array> {
    this.#expectOpen()
    if (this.isStopped) throw this.#failure
    if (!(offset >= this.#logStartOffset && offset <= this.#logEndOffset)) throw this.#outOfRange(offset)
    const limit = Math.min(upTo, this.#logEndOffset)
    if (offset >= limit) return nothing
    try {
      const bytes = this.#readFrom(this.#segments.indexOf(offset), { offset, maxBytes, upTo: limit, minOneBatch })
      return isPromise(bytes) ? bytes.catch(error => this.#failRead(error)) : bytes
    } catch (error) {
      return this.#failRead(error)
    }
  }

  #failRead(cause: unknown): never {
    if (cause instanceof KafkaError && cause.code !== 'STORAGE_FAILED') throw cause
    throw new KafkaError('KAFKA_STORAGE_ERROR', `The log \`${this.folder}\` could not be read: ${reasonOf(cause)}`, { cause })
  }

  #readFrom(index: number, request: SegmentRead): MaybePromise<Uint8Array> {
    for (; index < this.#segments.count; index++) {
      const segment = this.#segments.at(index) as Segment
      if (segment.baseOffset >= request.upTo) break
      this.#segments.touch(segment)
      const bytes = segment.read(request)
      if (isPromise(bytes)) return bytes.then(found => found ?? this.#readFrom(this.#segments.after(segment), request))
      if (bytes) return bytes
    }
    return nothing
  }

  /** The first record whose timestamp is at or after `timestamp` (ms since 1970); `undefined` when there is none. */
  async offsetForTimestamp(timestamp: number): Promise<TimestampedOffset | undefined> {
    this.#expectOpen()
    if (this.isStopped) throw this.#failure
    return this.#segments.holding(segments => offsetOfTimestamp(segments, timestamp, this.#logStartOffset))
  }

  /** The first record with the largest timestamp of the log (KIP-734); `undefined` when no record has one. */
  async maxTimestamp(): Promise<TimestampedOffset | undefined> {
    this.#expectOpen()
    if (this.isStopped) throw this.#failure
    return this.#segments.holding(offsetOfMaxTimestamp)
  }

  /** Moves the high watermark up, never beyond the end of the log. Returns whether it moved. */
  advanceHighWatermark(offset: number): boolean {
    const target = Math.min(offset, this.#logEndOffset)
    if (!(target > this.#highWatermark)) return false
    this.#highWatermark = target
    return true
  }

  /** Removes all from `offset` on. Only whole batches go, so the log then ends before `offset` where a batch reaches across it. */
  truncateTo(offset: number): Promise<void> {
    expectInteger('offset', offset, 0)
    return this.#change(async () => {
      if (offset >= this.#nextOffset) return
      const index = this.#segments.indexOf(offset)
      const segment = this.#segments.at(index) as Segment
      if (offset < segment.baseOffset) return this.#startAnew(offset)
      const cut = await segment.positionOf(offset)
      const end = cut ? Math.min(offset, cut.baseOffset) : offset
      if (cut) segment.forgetFrom(cut.position, end)
      this.#setEnd(end)
      await this.#lowerRecoveryPoint(end)
      this.#segments.remove(index + 1, Number.POSITIVE_INFINITY)
      await segment.cutFile()
      this.#segments.recount()
      await this.#segments.removals()
      await this.#rememberUpTo(end)
      if (this.#storage.durable) await this.#flusher.wasCut(end)
    })
  }

  /** Removes everything; the next record gets `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    expectInteger('offset', offset, 0)
    return this.#change(() => this.#startAnew(offset))
  }

  /** What is about to be cut away must not be missed after a crash. */
  async #lowerRecoveryPoint(end: number): Promise<void> {
    if (!this.#storage.durable) return
    this.#flusher.lower(end)
    await this.#saveRecoveryPoint?.()
  }

  async #startAnew(offset: number): Promise<void> {
    this.leaderEpochs.clear()
    this.producers.clear()
    this.#history.transactions.forgetBefore(Number.POSITIVE_INFINITY)
    this.#setEnd(offset)
    await this.#lowerRecoveryPoint(0)
    this.#segments.remove(0, Number.POSITIVE_INFINITY)
    this.#logStartOffset = offset
    this.#highWatermark = offset
    await this.#segments.removals()
    this.#segments.push(await this.#openSegment(offset))
    if (!this.#storage.durable) return
    await this.#history.cutAt(-1)
    await this.#flusher.wasCut(offset)
  }

  /**
   * Makes `offset` the start of the log. Segments that lie wholly before it are removed; what is left of a segment is only no longer read.
   * Nothing happens when the log starts there or later already. Raises `OFFSET_OUT_OF_RANGE` above the high watermark.
   */
  deleteRecordsBefore(offset: number): MaybePromise<void> {
    this.#expectOpen()
    return this.#changes.run(() => {
      if (this.#failure) throw this.#failure
      if (this.#isReadOnly) throw this.#readOnlyError()
      if (!(offset >= 0 && offset <= this.#highWatermark)) throw this.#outOfRange(offset)
      if (offset <= this.#logStartOffset) return
      this.#logStartOffset = offset
      this.#history.cutStartAt(offset)
      this.#removeFirst(countBelow(this.#segments.all, offset))
    })
  }

  /**
   * Removes old segments as the options have it: those before `logStartOffset`, those beyond `retentionBytes` and those older than
   * `retentionMs`; never records above the high watermark. Returns how many were removed. The size is looked after at each append as well.
   */
  applyRetention(): MaybePromise<number> {
    this.#expectOpen()
    if (this.#isReadOnly) return 0
    return this.#changes.run(() => (this.#writes.areOver && !this.#storage.durable ? this.#removeExpired() : this.#learnAndRemoveExpired()))
  }

  async #learnAndRemoveExpired(): Promise<number> {
    await this.#writes.settled()
    if (this.#failure) throw this.#failure
    if (this.#lackOfRoom) await this.#cutUnwritten()
    const now = this.#clock.now()
    // Age goes by timestamps, which segments that were not looked into since the log was opened have in their indexes.
    for (const segment of deletesOldSegments(this.#options) && this.#options.retentionMs >= 0 ? this.#segments.all.slice() : []) {
      await segment.learnMaxTimestamp()
      if (now - segment.retentionTimestamp <= this.#options.retentionMs) break
    }
    return this.#removeExpired()
  }

  #removeExpired(): MaybePromise<number> {
    if (this.#failure) throw this.#failure
    this.producers.expire(this.#clock.now(), producerExpirationMs)
    const count = countExpired(this.#segments.all, this.#logStartOffset, this.#highWatermark, this.#options, this.#clock.now())
    if (count < this.#segments.count) return this.#removeFirst(count)
    const rolled = this.#roll(this.#nextOffset)
    return isPromise(rolled) ? rolled.then(() => this.#removeFirst(count)) : this.#removeFirst(count)
  }

  #removeFirst(count: number): number {
    if (count === 0) return 0
    const bytes = this.#segments.remove(0, count)
    this.#logStartOffset = Math.max(this.#logStartOffset, this.#segments.all[0].baseOffset)
    this.#history.cutStartAt(this.#logStartOffset)
    this.#onSegmentsRemoved?.({ segments: count, bytes, logStartOffset: this.#logStartOffset })
    return count
  }

  /** How much there is to compact, and whether it is time. */
  async dirtiness(): Promise<Dirtiness> {
    this.#expectOpen()
    await this.#flusher.idle()
    return this.#compactor.dirtiness()
  }

  /**
   * Removes records that a later one of the same key replaces, where the options say that the log is compacted and it is dirty enough. The active segment
   * is left alone, and offsets never change. Tombstones stay for `deleteRetentionMs`. Reads and appends go on meanwhile. Returns what was done, undefined
   * for nothing.
   */
  async compact(options?: CompactOptions): Promise<CompactionReport | undefined> {
    this.#expectOpen()
    if (this.#isReadOnly) return undefined
    return this.#storage.durable ? this.#compactSafely(options) : this.#compactor.compact(options)
  }

  /** Compaction leaves gaps between offsets, which after a crash tell of damage unless they are known to lie before the recovery point. */
  async #compactSafely(options?: CompactOptions): Promise<CompactionReport | undefined> {
    await this.#flusher.idle()
    const limit = this.recoveryPoint
    await this.#saveRecoveryPoint?.()
    this.#compactionLimit = limit
    try {
      return await this.#compactor.compact(options)
    } finally {
      this.#compactionLimit = undefined
    }
  }

  /** Only what is before this offset may be compacted. */
  get compactableUpTo(): number {
    if (!this.#storage.durable) return this.lastStableOffset
    return Math.min(this.lastStableOffset, this.#compactionLimit ?? this.recoveryPoint)
  }

  /** Resolves when all that was appended before the call survives a power cut. */
  sync(): Promise<void> {
    return this.#change(async () => {
      await this.#flusher.sync(this.#segments.all, this.#logEndOffset)
    })
  }

  /** Ends the use of the log once all writes are done; idempotent. What it holds is then safe on the disk, where `failure` does not tell otherwise. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#compactor.close()
    await this.#changes.idle()
    await this.#writes.settled()
    await this.#segments.removals()
    await this.#flusher.idle()
    if (this.#storage.durable && !this.#isReadOnly && !this.#failure) {
      try {
        if (this.#lackOfRoom) await this.#cutUnwritten()
        await this.#flusher.close(this.#segments, this.#logEndOffset)
      } catch (error) {
        this.#poison(error)
      }
    }
    await this.#segments.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #openSegment(baseOffset: number): MaybePromise<Segment> {
    const opened = Segment.open(this.#storage, this.folder, baseOffset, this.#options, this.#clock.now())
    if (isPromise(opened)) return opened.then(segment => this.#withNewName(segment))
    return this.#withNewName(opened)
  }

  #withNewName(segment: Segment): Segment {
    if (this.#storage.durable) this.#flusher.nameIsNew()
    return segment
  }

  #setEnd(offset: number): void {
    this.#nextOffset = offset
    this.#logEndOffset = offset
    this.#highWatermark = Math.min(this.#highWatermark, offset)
    this.#logStartOffset = Math.min(this.#logStartOffset, offset)
    this.#compactor.cutAt(offset)
    this.leaderEpochs.truncateFromEnd(offset)
  }

  /** Runs `change` when all changes before it are done and all writes have settled. A failure of the storage poisons the log. */
  async #change(change: () => Promise<void>): Promise<void> {
    this.#expectOpen()
    return this.#changes.run(async () => {
      await this.#writes.settled()
      await this.#flusher.idle()
      if (this.#failure) throw this.#failure
      if (this.#lackOfRoom) await this.#cutUnwritten()
      try {
        await change()
      } catch (error) {
        throw error instanceof KafkaError && error.code !== 'STORAGE_FAILED' ? error : this.#poison(error)
      }
    })
  }

  #readOnlyError(): KafkaError {
    return new KafkaError('POLICY_VIOLATION', `The log \`${this.folder}\` was opened read-only`)
  }

  #expectOpen(): void {
    if (this.#closing) throw new KafkaError('CLOSED', `The log \`${this.folder}\` is closed`)
  }

  #poison(cause: unknown): KafkaError {
    if (cause === this.#failure && this.#failure) return this.#failure
    if (this.#failure) return this.#failure
    const message = `The log \`${this.folder}\` takes no more writes since one failed: ${reasonOf(cause)}`
    this.#failure = new KafkaError('KAFKA_STORAGE_ERROR', message, { cause })
    return this.#failure
  }

  /** Something failed that nobody waits for. */
  #failBehind(cause: unknown): void {
    const failure = this.#poison(cause)
    this.#onFailure?.(failure)
  }

  #outOfRange(offset: number): KafkaError {
    const range = `${this.#logStartOffset} to ${this.#logEndOffset}`
    return new KafkaError('OFFSET_OUT_OF_RANGE', `The offset ${offset} lies outside the log \`${this.folder}\`, which has ${range}`)
  }
}

/** How long a producer that writes nothing is remembered, as Kafka's `producer.id.expiration.ms` has it. */
const producerExpirationMs = 24 * 3_600_000

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function ignore(): void {}
