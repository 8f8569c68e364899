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
import type { LastOfProducer } from './compaction/batch-cleaner.js'
import { type CompactionReport, type CompactOptions, Compactor } from './compaction/compactor.js'
import type { Dirtiness } from './compaction/dirtiness.js'
import { finishSwaps } from './compaction/swap-recovery.js'
import { InOrder } from './in-order.js'
import { LeaderEpochs } from './leader-epochs.js'
import {
  type CompleteLogOptions,
  completeLogOptions,
  deletesOldSegments,
  durableLogDefaults,
  type LogOptions,
  memoryLogDefaults
} from './log-options.js'
import type { AppendInfo, AppendOptions, LogOpenOptions, ReadOptions } from './log-types.js'
import { type RecoveryReport, recoverSegments } from './recovery.js'
import { countBelow, countBeyondSize, countExpired } from './retention.js'
import { Segment, type SegmentRead } from './segment.js'
import { SegmentList } from './segment-list.js'
import { offsetOfMaxTimestamp, offsetOfTimestamp, type TimestampedOffset } from './timestamp-lookup.js'
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
  readonly leaderEpochs = new LeaderEpochs()
  /** What opening it found out. */
  readonly recovery: RecoveryReport
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #autoHighWatermark: boolean
  readonly #onRoll: LogOpenOptions['onRoll']
  readonly #onSegmentsRemoved: LogOpenOptions['onSegmentsRemoved']
  readonly #segments: SegmentList
  /** All that changes the log stands in this line; reads do not. */
  readonly #changes = new InOrder()
  readonly #writes = new WriteTurns()
  readonly #compactor: Compactor
  #options: CompleteLogOptions
  #logStartOffset = 0
  #logEndOffset = 0
  #highWatermark = 0
  /** What the next batch gets; ahead of `#logEndOffset` while writes are under way. */
  #nextOffset = 0
  #failure: KafkaError | undefined
  #closing: Promise<void> | undefined

  private constructor(
    storage: Storage,
    folder: string,
    openOptions: LogOpenOptions,
    options: CompleteLogOptions,
    segments: Segment[],
    recovery: RecoveryReport
  ) {
    this.#storage = storage
    this.folder = folder
    this.#clock = openOptions.clock ?? systemClock
    this.#autoHighWatermark = openOptions.autoHighWatermark ?? true
    this.#onRoll = openOptions.onRoll
    this.#onSegmentsRemoved = openOptions.onSegmentsRemoved
    this.#options = options
    this.#segments = new SegmentList(segments, cause => this.#poison(cause))
    this.recovery = recovery
    this.#compactor = new Compactor({
      log: this,
      storage,
      clock: this.#clock,
      segments: this.#segments,
      firstDirtyOffset: openOptions.firstDirtyOffset,
      exclusively: change => this.#change(change)
    })
  }

  /**
   * Opens the log in `folder`, which is empty for a new one. Every batch is checked; see `recovery` for what was found. Damage other than an
   * append that was cut short raises `CORRUPT_MESSAGE`, naming the file and the position, and changes nothing.
   */
  static async open(storage: Storage, folder: string, openOptions: LogOpenOptions = {}): Promise<Log> {
    const {
      clock = systemClock,
      autoHighWatermark: _,
      logStartOffset = 0,
      firstDirtyOffset,
      onRoll: _r,
      onSegmentsRemoved: _s,
      ...rest
    } = openOptions
    const options = completeLogOptions(rest, storage.durable ? durableLogDefaults : memoryLogDefaults)
    expectInteger('logStartOffset', logStartOffset, 0)
    if (firstDirtyOffset !== undefined) expectInteger('firstDirtyOffset', firstDirtyOffset, 0)
    await finishSwaps(storage, folder)
    const epochs = new LeaderEpochs()
    const { segments, report } = await recoverSegments(storage, folder, options, epochs, clock.now())
    const log = new Log(storage, folder, openOptions, options, segments, report)
    for (const { epoch, startOffset } of epochs.entries) log.leaderEpochs.assign(epoch, startOffset)
    await log.#begin(logStartOffset)
    return log
  }

  async #begin(logStartOffset: number): Promise<void> {
    const first = this.#segments.at(0)
    this.#setEnd(first ? this.#segments.active.nextOffset : logStartOffset)
    // Where everything that is left had been deleted, the offsets up to the start were given out all the same.
    if (logStartOffset > this.#nextOffset) return this.#startAnew(logStartOffset)
    if (!first) this.#segments.push(await this.#openSegment(logStartOffset))
    this.#logStartOffset = Math.max(logStartOffset, first?.baseOffset ?? 0)
    this.#highWatermark = this.#autoHighWatermark ? this.#logEndOffset : this.#logStartOffset
    this.leaderEpochs.truncateFromStart(this.#logStartOffset)
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
   * `MESSAGE_TOO_LARGE`, `RECORD_LIST_TOO_LARGE`, `UNSUPPORTED_COMPRESSION_TYPE` or `KAFKA_STORAGE_ERROR`.
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
      throw this.#failure
    })
  }

  #submit(batch: Uint8Array, { origin = 'client', leaderEpoch = 0 }: AppendOptions): MaybePromise<Submission> {
    if (this.#failure) throw this.#failure
    const now = this.#clock.now()
    if (origin === 'replica') return this.#submitReplicated(batch, now)
    const validated = validateBatch(batch, origin, this.#options, now)
    const baseOffset = this.#nextOffset
    const lastOffset = baseOffset + readInt32(validated.bytes, field.lastOffsetDelta)
    if (lastOffset >= Number.MAX_SAFE_INTEGER)
      throw new KafkaError('OFFSET_OUT_OF_RANGE', `The log \`${this.folder}\` has used up its offsets`)
    const rolled = this.#rollFor(validated.bytes.length, validated.maxTimestamp, baseOffset, lastOffset, now)
    if (!isPromise(rolled)) return this.#stampAndWrite(validated, baseOffset, lastOffset, leaderEpoch, now)
    return rolled.then(() => this.#stampAndWrite(validated, baseOffset, lastOffset, leaderEpoch, now))
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
    const written = this.#write(bytes, baseOffset, lastOffset, leaderEpoch, maxTimestamp, now, () => {
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
      const baseOffset = baseOffsetAt(batch, 0)
      const lastOffset = lastOffsetAt(batch, 0)
      const maxTimestamp = maxTimestampAt(batch, 0)
      await this.#rollFor(batch.length, maxTimestamp, baseOffset, lastOffset, now)
      written = this.#write(batch, baseOffset, lastOffset, leaderEpochAt(batch, 0), maxTimestamp, now)
    }
    const baseOffset = baseOffsetAt(batches[0], 0)
    return { info: { baseOffset, lastOffset: nextOffset - 1, logAppendTime: -1, logStartOffset: this.#logStartOffset }, written }
  }

  /** Hands a batch to the active segment. The log ends after it once it is written, and once all before it are. */
  #write(
    bytes: Uint8Array,
    baseOffset: number,
    lastOffset: number,
    leaderEpoch: number,
    maxTimestamp: number,
    now: number,
    giveBack?: () => void
  ): Promise<boolean> | undefined {
    const segment = this.#segments.active
    const position = segment.sizeInBytes
    const end = position + bytes.length
    const nextOffset = lastOffset + 1
    let writing: MaybePromise<void>
    try {
      writing = segment.file.append(bytes)
    } catch (error) {
      giveBack?.()
      throw this.#poison(error)
    }
    this.#nextOffset = nextOffset
    this.leaderEpochs.assign(leaderEpoch, baseOffset)
    this.#segments.grow(bytes.length)
    segment.note(position, lastOffset, maxTimestamp, now)
    if (isPromise(writing) || !this.#writes.areOver) {
      const poison = (cause: unknown) => void this.#poison(cause)
      return this.#writes.take(writing, poison, ok => {
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
    const ended = this.#segments.active
    ended.seal()
    let next: MaybePromise<Segment>
    try {
      next = this.#openSegment(baseOffset)
    } catch (error) {
      throw this.#poison(error)
    }
    if (isPromise(next) || this.#storage.durable) return this.#finishRoll(ended, next)
    this.#activate(next)
  }

  async #finishRoll(ended: Segment, next: MaybePromise<Segment>): Promise<void> {
    let opened: Segment
    try {
      opened = await next
      if (this.#storage.durable) await ended.writeIndexes()
    } catch (error) {
      throw this.#poison(error)
    }
    this.#activate(opened)
  }

  #activate(segment: Segment): void {
    // An empty segment whose relative offsets do not reach far enough gives way to the new one.
    if (this.#segments.active.sizeInBytes === 0) this.#segments.remove(this.#segments.count - 1, 1)
    this.#segments.push(segment)
    this.#onRoll?.(segment.baseOffset)
  }

  /**
   * Whole batches, back to back, from the one that contains `offset` on: usually no more than `maxBytes`, and as many as are cheap to
   * return in one piece. Empty at the end of the log. The first batch may begin before `offset`; whoever decodes it skips those records.
   * The bytes are lent (`release`). Raises `OFFSET_OUT_OF_RANGE` below `logStartOffset` and above `logEndOffset`, `CORRUPT_MESSAGE` for
   * damage that stands in the way, and `KAFKA_STORAGE_ERROR` when the storage fails.
   */
  read(
    offset: number,
    maxBytes: number,
    { upTo = this.#logEndOffset, minOneBatch = true }: ReadOptions = noOptions
  ): MaybePromise<Uint8Array> {
    this.#expectOpen()
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
    if (cause instanceof KafkaError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new KafkaError('KAFKA_STORAGE_ERROR', `The log \`${this.folder}\` could not be read: ${reason}`, { cause })
  }

  #readFrom(index: number, request: SegmentRead): MaybePromise<Uint8Array> {
    for (; index < this.#segments.count; index++) {
      const segment = this.#segments.at(index) as Segment
      if (segment.baseOffset >= request.upTo) break
      const bytes = segment.read(request)
      if (isPromise(bytes)) return bytes.then(found => found ?? this.#readFrom(this.#segments.after(segment), request))
      if (bytes) return bytes
    }
    return nothing
  }

  /** The first record whose timestamp is at or after `timestamp` (ms since 1970); `undefined` when there is none. */
  async offsetForTimestamp(timestamp: number): Promise<TimestampedOffset | undefined> {
    this.#expectOpen()
    return offsetOfTimestamp([...this.#segments.all], timestamp, this.#logStartOffset)
  }

  /** The first record with the largest timestamp of the log (KIP-734); `undefined` when no record has one. */
  async maxTimestamp(): Promise<TimestampedOffset | undefined> {
    this.#expectOpen()
    return offsetOfMaxTimestamp(this.#segments.all)
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
      this.#segments.remove(index + 1, Number.POSITIVE_INFINITY)
      this.#setEnd(end)
      await segment.cutFile()
      this.#segments.recount()
      await this.#segments.removals()
    })
  }

  /** Removes everything; the next record gets `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    expectInteger('offset', offset, 0)
    return this.#change(() => this.#startAnew(offset))
  }

  async #startAnew(offset: number): Promise<void> {
    this.#segments.remove(0, Number.POSITIVE_INFINITY)
    this.leaderEpochs.clear()
    this.#setEnd(offset)
    this.#logStartOffset = offset
    this.#highWatermark = offset
    await this.#segments.removals()
    this.#segments.push(await this.#openSegment(offset))
  }

  /**
   * Makes `offset` the start of the log. Segments that lie wholly before it are removed; what is left of a segment is only no longer read.
   * Nothing happens when the log starts there or later already. Raises `OFFSET_OUT_OF_RANGE` above the high watermark.
   */
  deleteRecordsBefore(offset: number): MaybePromise<void> {
    this.#expectOpen()
    return this.#changes.run(() => {
      if (!(offset >= 0 && offset <= this.#highWatermark)) throw this.#outOfRange(offset)
      if (offset <= this.#logStartOffset) return
      this.#logStartOffset = offset
      this.leaderEpochs.truncateFromStart(offset)
      this.#removeFirst(countBelow(this.#segments.all, offset))
    })
  }

  /**
   * Removes old segments as the options have it: those before `logStartOffset`, those beyond `retentionBytes` and those older than
   * `retentionMs`; never records above the high watermark. Returns how many were removed. The size is looked after at each append as well.
   */
  applyRetention(): MaybePromise<number> {
    this.#expectOpen()
    return this.#changes.run(() =>
      this.#writes.areOver ? this.#removeExpired() : this.#writes.settled().then(() => this.#removeExpired())
    )
  }

  #removeExpired(): MaybePromise<number> {
    if (this.#failure) throw this.#failure
    const count = countExpired(this.#segments.all, this.#logStartOffset, this.#highWatermark, this.#options, this.#clock.now())
    if (count < this.#segments.count) return this.#removeFirst(count)
    const rolled = this.#roll(this.#nextOffset)
    return isPromise(rolled) ? rolled.then(() => this.#removeFirst(count)) : this.#removeFirst(count)
  }

  #removeFirst(count: number): number {
    if (count === 0) return 0
    const bytes = this.#segments.remove(0, count)
    this.#logStartOffset = Math.max(this.#logStartOffset, this.#segments.all[0].baseOffset)
    this.leaderEpochs.truncateFromStart(this.#logStartOffset)
    this.#onSegmentsRemoved?.({ segments: count, bytes, logStartOffset: this.#logStartOffset })
    return count
  }

  /** How much there is to compact, and whether it is time. */
  dirtiness(): Promise<Dirtiness> {
    this.#expectOpen()
    return this.#compactor.dirtiness()
  }

  /**
   * Removes records that a later one of the same key replaces, where the options say that the log is compacted and it is dirty enough. The active segment
   * is left alone, and offsets never change. Tombstones stay for `deleteRetentionMs`. Reads and appends go on meanwhile. Returns what was done, undefined
   * for nothing.
   */
  compact(options?: CompactOptions): Promise<CompactionReport | undefined> {
    this.#expectOpen()
    return this.#compactor.compact(options)
  }

  /** What is remembered of a producer whose last batch compaction must not take away. */
  lastOfProducer(_producerId: number): LastOfProducer | undefined {
    return undefined
  }

  /** Resolves when all that was appended before the call survives a power cut. */
  sync(): Promise<void> {
    return this.#change(async () => {
      for (const segment of this.#segments.all) await segment.file.sync()
      await this.#storage.syncFolder(this.folder)
    })
  }

  /** Ends the use of the log once all writes are done; idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#compactor.close()
    await this.#changes.idle()
    await this.#writes.settled()
    if (this.#storage.durable && !this.#failure) {
      this.#segments.active.seal()
      await this.#segments.active.writeIndexes()
    }
    await this.#segments.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #openSegment(baseOffset: number): MaybePromise<Segment> {
    return Segment.open(this.#storage, this.folder, baseOffset, this.#options, this.#clock.now())
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
      if (this.#failure) throw this.#failure
      try {
        await change()
      } catch (error) {
        throw error instanceof KafkaError ? error : this.#poison(error)
      }
    })
  }

  #expectOpen(): void {
    if (this.#closing) throw new KafkaError('CLOSED', `The log \`${this.folder}\` is closed`)
  }

  #poison(cause: unknown): KafkaError {
    if (cause === this.#failure && this.#failure) return this.#failure
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `The log \`${this.folder}\` takes no more writes since one failed: ${reason}`
    this.#failure ??= new KafkaError('KAFKA_STORAGE_ERROR', message, { cause })
    return this.#failure
  }

  #outOfRange(offset: number): KafkaError {
    const range = `${this.#logStartOffset} to ${this.#logEndOffset}`
    return new KafkaError('OFFSET_OUT_OF_RANGE', `The offset ${offset} lies outside the log \`${this.folder}\`, which has ${range}`)
  }
}
