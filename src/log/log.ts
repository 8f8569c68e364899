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
import { type AppendOrigin, checkReplicatedBatch, stampTime, type ValidatedBatch, validateBatch } from './batch-validation.js'
import { LeaderEpochs } from './leader-epochs.js'
import {
  type CompleteLogOptions,
  completeLogOptions,
  deletesOldSegments,
  durableLogDefaults,
  type LogOptions,
  memoryLogDefaults
} from './log-options.js'
import { type RecoveryReport, recoverSegments } from './recovery.js'
import { countBelow, countBeyondSize, countExpired } from './retention.js'
import { Segment } from './segment.js'
import { offsetOfMaxTimestamp, offsetOfTimestamp, type TimestampedOffset } from './timestamp-lookup.js'

export interface LogOpenOptions extends LogOptions {
  /** Where the time comes from. Default: the machine's clock. */
  readonly clock?: Clock
  /**
   * Whether what has been written counts as committed at once, as it should where there are no replicas. Default: `true`; with `false` the
   * owner moves the high watermark with `advanceHighWatermark`.
   */
  readonly autoHighWatermark?: boolean
  /** Records below this offset were deleted before the log was last closed. Default: the log starts where its first segment does. */
  readonly logStartOffset?: number
  /** Called when a segment was closed and a new one begun. */
  readonly onRoll?: (baseOffset: number) => void
  /** Called when old segments were removed. */
  readonly onSegmentsRemoved?: (removed: RemovedSegments) => void
}

export interface RemovedSegments {
  readonly segments: number
  readonly bytes: number
  /** Where the log starts now. */
  readonly logStartOffset: number
}

export interface AppendOptions {
  /** The epoch of the leader that takes the batch in. Default: 0. A replica's batches have theirs already. */
  readonly leaderEpoch?: number
  /** Default: `'client'`. */
  readonly origin?: AppendOrigin
}

export interface AppendInfo {
  readonly baseOffset: number
  readonly lastOffset: number
  /** The timestamp that all its records got, or -1 where they keep their own. */
  readonly logAppendTime: number
  readonly logStartOffset: number
}

export interface ReadOptions {
  /** Only batches that end before this offset are returned. Default: `logEndOffset`. */
  readonly upTo?: number
  /** Whether the first batch is returned even if it is larger than `maxBytes`. Default: `true`. */
  readonly minOneBatch?: boolean
}

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
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #autoHighWatermark: boolean
  readonly #onRoll: LogOpenOptions['onRoll']
  readonly #onSegmentsRemoved: LogOpenOptions['onSegmentsRemoved']
  #options: CompleteLogOptions
  #segments: Segment[] = []
  #logStartOffset = 0
  /** What the next batch gets; ahead of `#logEndOffset` while writes are under way. */
  #nextOffset = 0
  #logEndOffset = 0
  #highWatermark = 0
  #recovery: RecoveryReport = { segments: 0, batches: 0 }
  /** The end of the line of what changes the log; absent while nobody waits. */
  #queue: Promise<unknown> | undefined
  /** The latest write that has not settled yet; tells whether it and all before it succeeded. */
  #lastWrite: Promise<boolean> | undefined
  /** Removals of files that nobody waits for but `close`. */
  readonly #removals = new Set<Promise<void>>()
  #failure: KafkaError | undefined
  #closing: Promise<void> | undefined

  private constructor(storage: Storage, folder: string, options: LogOpenOptions) {
    const { clock = systemClock, autoHighWatermark = true, logStartOffset = 0, onRoll, onSegmentsRemoved, ...logOptions } = options
    expectInteger('logStartOffset', logStartOffset, 0)
    this.folder = folder
    this.#storage = storage
    this.#clock = clock
    this.#autoHighWatermark = autoHighWatermark
    this.#onRoll = onRoll
    this.#onSegmentsRemoved = onSegmentsRemoved
    this.#options = completeLogOptions(logOptions, storage.durable ? durableLogDefaults : memoryLogDefaults)
  }

  /**
   * Opens the log in `folder`, which is empty for a new one. Every batch is checked; see `recovery` for what was found. Damage other than an
   * append that was cut short raises `CORRUPT_MESSAGE`, naming the file and the position, and changes nothing.
   */
  static async open(storage: Storage, folder: string, options: LogOpenOptions = {}): Promise<Log> {
    const log = new Log(storage, folder, options)
    await log.#recover(options.logStartOffset)
    return log
  }

  async #recover(logStartOffset = 0): Promise<void> {
    const { segments, report } = await recoverSegments(this.#storage, this.folder, this.#options, this.leaderEpochs, this.#clock.now())
    this.#segments = segments
    this.#recovery = report
    const end = segments.at(-1)?.nextOffset ?? logStartOffset
    if (segments.length > 0 && logStartOffset > end) {
      // All that is left was deleted, and the offsets up to there were given out.
      for (const segment of segments) await segment.retire()
      this.#segments = []
    }
    this.#logStartOffset = Math.max(logStartOffset, segments[0]?.baseOffset ?? 0)
    this.#setEnd(Math.max(logStartOffset, end))
    this.#highWatermark = this.#autoHighWatermark ? this.#logEndOffset : this.#logStartOffset
    if (this.#segments.length === 0) this.#segments.push(await this.#openSegment(this.#logEndOffset))
    this.leaderEpochs.truncateFromStart(this.#logStartOffset)
  }

  /** What opening it found out. */
  get recovery(): RecoveryReport {
    return this.#recovery
  }

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

  get segmentCount(): number {
    return this.#segments.length
  }

  /** Bytes of all batches. */
  get sizeInBytes(): number {
    let size = 0
    for (const segment of this.#segments) size += segment.sizeInBytes
    return size
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
   * several, keep their offsets). The bytes are borrowed until the call, or its promise, has returned: meanwhile its header carries the new
   * offset and leader epoch, afterwards it is as it was.
   *
   * Raises `CORRUPT_MESSAGE`, `INVALID_RECORD`, `INVALID_TIMESTAMP` (both perhaps as `RecordValidationError`, telling which records),
   * `MESSAGE_TOO_LARGE`, `RECORD_LIST_TOO_LARGE`, `UNSUPPORTED_COMPRESSION_TYPE` or `KAFKA_STORAGE_ERROR`.
   */
  append(batch: Uint8Array, options: AppendOptions = noOptions): MaybePromise<AppendInfo> {
    const submitted = this.#queue ? this.#enqueue(() => this.#submit(batch, options)) : this.#hold(this.#submit(batch, options))
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
    this.#expectWritable()
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
    const { bytes, maxTimestamp } = validated
    const isAppendTime = this.#options.messageTimestampType === 'LogAppendTime'
    const givenOffset = baseOffsetAt(bytes, 0)
    const givenEpoch = leaderEpochAt(bytes, 0)
    const givenHeader = validated.restamp ? bytes.slice(0, headerBytes) : undefined
    stampBatch(bytes, 0, baseOffset, leaderEpoch)
    if (givenHeader) stampTime(bytes, maxTimestamp, isAppendTime)
    const giveBack = () => {
      if (givenHeader) bytes.set(givenHeader)
      else stampBatch(bytes, 0, givenOffset, givenEpoch)
    }
    const written = this.#write(bytes, baseOffset, lastOffset, leaderEpoch, maxTimestamp, now, giveBack)
    const info = { baseOffset, lastOffset, logAppendTime: isAppendTime ? maxTimestamp : -1, logStartOffset: this.#logStartOffset }
    return { info, written }
  }

  async #submitReplicated(bytes: Uint8Array, now: number): Promise<Submission> {
    let position = 0
    let nextOffset = this.#nextOffset
    const batches: Uint8Array[] = []
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
    const info = {
      baseOffset: baseOffsetAt(batches[0], 0),
      lastOffset: nextOffset - 1,
      logAppendTime: -1,
      logStartOffset: this.#logStartOffset
    }
    return { info, written }
  }

  /** Hands a batch to the active segment. The log ends after it once it is written, and once all before it are. */
  #write(
    bytes: Uint8Array,
    baseOffset: number,
    lastOffset: number,
    leaderEpoch: number,
    maxTimestamp: number,
    now: number,
    settled?: () => void
  ): Promise<boolean> | undefined {
    const segment = this.#active
    const position = segment.sizeInBytes
    let writing: MaybePromise<void>
    try {
      writing = segment.append(bytes)
    } catch (error) {
      settled?.()
      throw this.#poison(error)
    }
    const nextOffset = lastOffset + 1
    this.#nextOffset = nextOffset
    this.leaderEpochs.assign(leaderEpoch, baseOffset)
    segment.note(position, lastOffset, maxTimestamp)
    segment.modifiedAt = now
    if (!isPromise(writing)) {
      settled?.()
      if (!this.#lastWrite) {
        this.#publish(segment, position + bytes.length, nextOffset)
        return undefined
      }
      writing = Promise.resolve()
    }
    return this.#publishInTurn(segment, position + bytes.length, nextOffset, writing, settled)
  }

  #publishInTurn(segment: Segment, end: number, nextOffset: number, writing: Promise<void>, settled?: () => void): Promise<boolean> {
    const succeeded = writing.then(
      () => true,
      error => {
        this.#poison(error)
        return false
      }
    )
    const turn = this.#takeTurn(succeeded, this.#lastWrite, segment, end, nextOffset, settled)
    this.#lastWrite = turn
    void turn.then(() => {
      if (this.#lastWrite === turn) this.#lastWrite = undefined
    })
    return turn
  }

  async #takeTurn(
    succeeded: Promise<boolean>,
    before: Promise<boolean> | undefined,
    segment: Segment,
    end: number,
    nextOffset: number,
    settled?: () => void
  ): Promise<boolean> {
    const allBefore = before ? await before : true
    const ok = (await succeeded) && allBefore
    settled?.()
    if (ok) this.#publish(segment, end, nextOffset)
    return ok
  }

  #publish(segment: Segment, readableBytes: number, nextOffset: number): void {
    segment.publish(readableBytes, nextOffset)
    this.#logEndOffset = nextOffset
    if (this.#autoHighWatermark) this.#highWatermark = nextOffset
  }

  #rollFor(size: number, maxTimestamp: number, baseOffset: number, lastOffset: number, now: number): MaybePromise<void> {
    if (this.#active.mustRollFor(size, maxTimestamp, lastOffset, this.#options, now)) return this.#roll(baseOffset)
  }

  /** Ends the active segment and begins the next one at `baseOffset`. */
  #roll(baseOffset: number): MaybePromise<void> {
    const ended = this.#active
    ended.seal()
    try {
      const next = this.#openSegment(baseOffset)
      if (!isPromise(next) && !this.#storage.durable) return this.#begin(next)
      return this.#finishRoll(ended, next)
    } catch (error) {
      throw this.#poison(error)
    }
  }

  async #finishRoll(ended: Segment, next: MaybePromise<Segment>): Promise<void> {
    try {
      const opened = await next
      if (this.#storage.durable) await ended.writeIndexes()
      this.#begin(opened)
    } catch (error) {
      throw this.#failure ?? this.#poison(error)
    }
  }

  #begin(segment: Segment): void {
    // An empty segment whose relative offsets do not reach far enough gives way to the new one.
    if (this.#active.sizeInBytes === 0) this.#retire(this.#segments.pop() as Segment)
    this.#segments.push(segment)
    this.#onRoll?.(segment.baseOffset)
    if (deletesOldSegments(this.#options)) this.#removeFirst(countBeyondSize(this.#segments, this.#highWatermark, this.#options))
  }

  /**
   * Whole batches, back to back, from the one that contains `offset` on: usually no more than `maxBytes`, and as many as are cheap to
   * return in one piece. Empty at the end of the log. The first batch may begin before `offset`; whoever decodes it skips those records.
   * The bytes are lent (`release`). Raises `OFFSET_OUT_OF_RANGE` below `logStartOffset` and above `logEndOffset`.
   */
  read(
    offset: number,
    maxBytes: number,
    { upTo = this.#logEndOffset, minOneBatch = true }: ReadOptions = noOptions
  ): MaybePromise<Uint8Array> {
    if (this.#closing) throw new KafkaError('CLOSED', `The log \`${this.folder}\` is closed`)
    if (!(offset >= this.#logStartOffset && offset <= this.#logEndOffset)) throw this.#outOfRange(offset)
    const request = { offset, maxBytes, upTo: Math.min(upTo, this.#logEndOffset), minOneBatch }
    return offset >= request.upTo ? nothing : this.#readFrom(this.#segmentIndexAt(offset), request)
  }

  #readFrom(index: number, request: { offset: number; maxBytes: number; upTo: number; minOneBatch: boolean }): MaybePromise<Uint8Array> {
    for (; index < this.#segments.length; index++) {
      const segment = this.#segments[index]
      if (segment.baseOffset >= request.upTo) break
      const bytes = segment.read(request)
      if (isPromise(bytes)) {
        return bytes.then(found => found ?? this.#readFrom(this.#indexAfter(segment), request))
      }
      if (bytes) return bytes
    }
    return nothing
  }

  /** The first record whose timestamp is at or after `timestamp`; `undefined` when there is none. */
  offsetForTimestamp(timestamp: number): Promise<TimestampedOffset | undefined> {
    return offsetOfTimestamp(this.#segments.slice(), timestamp, this.#logStartOffset)
  }

  /** The first record with the largest timestamp of the log (KIP-734); `undefined` when no record has one. */
  maxTimestamp(): Promise<TimestampedOffset | undefined> {
    return offsetOfMaxTimestamp(this.#segments.slice())
  }

  /** Moves the high watermark up, never beyond the end of the log. Returns whether it moved. */
  advanceHighWatermark(offset: number): boolean {
    const moved = Math.min(offset, this.#logEndOffset)
    if (moved <= this.#highWatermark) return false
    this.#highWatermark = moved
    return true
  }

  /**
   * Removes the batches that reach `offset` or lie behind it. Only whole batches go, so the log may then end a little before `offset`.
   */
  truncateTo(offset: number): Promise<void> {
    expectInteger('offset', offset, 0)
    return this.#inOrder(async () => {
      if (offset >= this.#nextOffset) return
      if (offset < this.#segments[0].baseOffset) return this.#startAnew(offset)
      const index = this.#segmentIndexAt(offset)
      const segment = this.#segments[index]
      const cut = await segment.positionOf(offset)
      const removed = this.#segments.splice(index + 1)
      const end = cut ? Math.min(offset, cut.baseOffset) : offset
      if (cut) segment.forgetFrom(cut.position, end)
      this.#setEnd(end)
      for (const later of removed) this.#retire(later)
      if (cut || removed.length > 0) await segment.cutFile()
    })
  }

  /** Removes everything; the next record gets `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    expectInteger('offset', offset, 0)
    return this.#inOrder(() => this.#startAnew(offset))
  }

  async #startAnew(offset: number): Promise<void> {
    const removed = this.#segments
    for (const segment of removed) this.#retire(segment)
    await Promise.all(this.#removals)
    this.#segments = [await this.#openSegment(offset)]
    this.leaderEpochs.clear()
    this.#logStartOffset = offset
    this.#setEnd(offset)
    this.#highWatermark = offset
  }

  /**
   * Makes `offset` the start of the log. Segments that lie wholly before it are removed; what is left of a segment is only no longer read.
   * Nothing happens when the log starts there or later already. Raises `OFFSET_OUT_OF_RANGE` above the high watermark.
   */
  deleteRecordsBefore(offset: number): void {
    if (this.#closing) throw new KafkaError('CLOSED', `The log \`${this.folder}\` is closed`)
    if (!(offset >= 0 && offset <= this.#highWatermark)) throw this.#outOfRange(offset)
    if (offset <= this.#logStartOffset) return
    this.#logStartOffset = offset
    this.leaderEpochs.truncateFromStart(offset)
    this.#removeFirst(countBelow(this.#segments, offset))
  }

  /**
   * Removes old segments as the options have it: those before `logStartOffset`, those beyond `retentionBytes` and those older than
   * `retentionMs`; never records above the high watermark. Returns how many were removed. The size is also looked after at each roll.
   */
  applyRetention(): MaybePromise<number> {
    return this.#queue ? this.#enqueue(() => this.#applyRetention()) : this.#hold(this.#applyRetention())
  }

  #applyRetention(): MaybePromise<number> {
    this.#expectWritable()
    const due = countExpired(this.#segments, this.#logStartOffset, this.#highWatermark, this.#options, this.#clock.now())
    if (due < this.#segments.length) return this.#removeFirst(due)
    const rolled = this.#roll(this.#nextOffset)
    return isPromise(rolled) ? rolled.then(() => this.#removeFirst(due)) : this.#removeFirst(due)
  }

  #removeFirst(count: number): number {
    if (count === 0) return 0
    const removed = this.#segments.splice(0, count)
    let bytes = 0
    for (const segment of removed) {
      bytes += segment.sizeInBytes
      this.#retire(segment)
    }
    this.#logStartOffset = Math.max(this.#logStartOffset, this.#segments[0].baseOffset)
    this.leaderEpochs.truncateFromStart(this.#logStartOffset)
    this.#onSegmentsRemoved?.({ segments: count, bytes, logStartOffset: this.#logStartOffset })
    return count
  }

  /** Resolves when all that was appended before the call survives a power cut. */
  sync(): Promise<void> {
    return this.#inOrder(async () => {
      await Promise.all(this.#segments.map(segment => segment.file.sync()))
      await this.#storage.syncFolder(this.folder)
    })
  }

  /** Ends the use of the log once all writes are done; idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#queue
    await this.#lastWrite
    if (this.#storage.durable && !this.#failure) {
      this.#active.seal()
      await this.#active.writeIndexes()
    }
    await Promise.all(this.#removals)
    for (const segment of this.#segments) await segment.file.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #active(): Segment {
    return this.#segments[this.#segments.length - 1]
  }

  #openSegment(baseOffset: number): MaybePromise<Segment> {
    return Segment.open(this.#storage, this.folder, baseOffset, this.#options, this.#clock.now())
  }

  /** Index of the last segment that starts at or before `offset`. */
  #segmentIndexAt(offset: number): number {
    let low = 0
    let high = this.#segments.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#segments[middle].baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Index of the first segment after one that may itself be gone by now. */
  #indexAfter(segment: Segment): number {
    const index = this.#segments.findIndex(({ baseOffset }) => baseOffset > segment.baseOffset)
    return index < 0 ? this.#segments.length : index
  }

  #setEnd(offset: number): void {
    this.#nextOffset = offset
    this.#logEndOffset = offset
    this.#highWatermark = Math.min(this.#highWatermark, offset)
    this.#logStartOffset = Math.min(this.#logStartOffset, offset)
    this.leaderEpochs.truncateFromEnd(offset)
  }

  #retire(segment: Segment): void {
    try {
      const retired = segment.retire()
      if (!isPromise(retired)) return
      const removal = retired.catch(error => void this.#poison(error)).finally(() => this.#removals.delete(removal))
      this.#removals.add(removal)
    } catch (error) {
      this.#poison(error)
    }
  }

  /** Runs `change` when all changes before it are done and all writes have settled; a failure of the storage poisons the log. */
  #inOrder<T>(change: () => Promise<T>): Promise<T> {
    return this.#enqueue(async () => {
      await this.#lastWrite
      this.#expectWritable()
      try {
        return await change()
      } catch (error) {
        throw error instanceof KafkaError ? error : this.#poison(error)
      }
    }) as Promise<T>
  }

  #enqueue<T>(change: () => MaybePromise<T>): MaybePromise<T> {
    return this.#hold(this.#queue ? this.#queue.then(change) : change())
  }

  /** Makes later changes wait for this one, if it is not done already. */
  #hold<T>(change: MaybePromise<T>): MaybePromise<T> {
    if (!isPromise(change)) return change
    const done = () => {
      if (this.#queue === tail) this.#queue = undefined
    }
    const tail: Promise<unknown> = change.then(done, done)
    this.#queue = tail
    return change
  }

  #expectWritable(): void {
    if (this.#closing) throw new KafkaError('CLOSED', `The log \`${this.folder}\` is closed`)
    if (this.#failure) throw this.#failure
  }

  #poison(cause: unknown): KafkaError {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#failure ??= new KafkaError('KAFKA_STORAGE_ERROR', `The log \`${this.folder}\` takes no more writes since one failed: ${reason}`, {
      cause
    })
    return this.#failure
  }

  #outOfRange(offset: number): KafkaError {
    const range = `${this.#logStartOffset} to ${this.#logEndOffset}`
    return new KafkaError('OFFSET_OUT_OF_RANGE', `The offset ${offset} lies outside the log \`${this.folder}\`, which has ${range}`)
  }
}
