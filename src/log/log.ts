import { type CloseOptions, closeTimeoutMs, endOf, unlimited } from '../common/closing.js'
import { isPromise, type MaybePromise } from '../common/deferred.js'
import { release } from '../common/lease.js'
import { expectBytes, expectInteger, expectList, shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { Storage } from '../storage/storage.js'
import { append } from './append/log-append.js'
import { rollWhenDue } from './append/roll-when-due.js'
import {
  expectAppendOptions,
  expectCompactOptions,
  expectLogPlace,
  expectOffset,
  expectOpenOptions,
  expectReadOptions
} from './arguments.js'
import { type CompactionReport, type CompactOptions, Compactor } from './compaction/compactor.js'
import type { Dirtiness } from './compaction/dirtiness.js'
import { exclusively } from './exclusively.js'
import { AbortedTransactions } from './history/aborted-transactions.js'
import { confirmEpochs } from './history/epoch-check.js'
import type { LeaderEpochs } from './history/leader-epochs.js'
import type { LogHistory } from './history/log-history.js'
import type { AbortedTransaction } from './history/transaction-index.js'
import { loadKeys, setUpKeys } from './keys/key-loading.js'
import { lastOffsetsOf } from './keys/last-offsets.js'
import { type ReservationRequest, reserve } from './keys/reserving.js'
import { type CompleteLogOptions, completeLogOptions, type LogOptions } from './log-options.js'
import type { LogState } from './log-state.js'
import type { AppendInfo, AppendOptions, LogOpenOptions, ReadOptions } from './log-types.js'
import { closeLog } from './recovery/log-closing.js'
import { damagedLog, openLog, stoppedLog } from './recovery/log-opening.js'
import { startAnew, truncateTo } from './recovery/log-truncation.js'
import type { RecoveryReport } from './recovery/recovery.js'
import { applyRetention, deleteRecordsBefore, nextExpiry, removeBefore } from './retention/log-deletion.js'
import { failRead } from './segment/read-failure.js'
import type { SegmentRead } from './segment/segment-reader.js'
import { offsetOfMaxTimestamp, offsetOfTimestamp, type TimestampedOffset } from './segment/timestamp-lookup.js'

const noOptions = {}

/** The leader epochs and producers of a log, for the node that it belongs to. */
export let historyOf: (log: Log) => LogHistory

/** Adds a batch to a log for the node that it belongs to, as `append` does. */
export let appendAsOwner: (log: Log, batch: Uint8Array, options: AppendOptions) => MaybePromise<AppendInfo>
/** Reserves what a transaction relies on in a log, for the node that the log belongs to. */
export let reserveAsOwner: (log: Log, request: ReservationRequest) => MaybePromise<void>
/** The producers whose transactions have reserved something in a log. */
export let reservingProducers: (log: Log) => Iterable<number>

/**
 * One partition's log: batches of records, each with its offset, in segments that are begun,
 * indexed and removed as Kafka does it. A topic keeps one per partition; alone it is a write-ahead
 * log:
 *
 * ```ts
 * await using log = await Log.open(memoryStorage(), 'journal')
 * const { baseOffset } = await log.append(RecordBatch.of([{ key: 'u-42', value: 'moved' }]).bytes)
 * for (const batch of batchesIn(await log.read(baseOffset, 65536)))
 *   for (const record of batch.records()) console.log(record.offset, record.value)
 * ```
 *
 * On a synchronous storage, such as memory, `append` and `read` return without a promise, and throw
 * instead of rejecting. An error about data is a `KafkaError` with Kafka's code. After a failed
 * write the log takes no more of them (`KAFKA_STORAGE_ERROR`), but can still be read.
 */
export class Log {
  readonly folder: string
  /** The findings of opening the log. */
  readonly recovery: RecoveryReport
  readonly #state: LogState
  readonly #compactor: Compactor
  readonly #aborted: AbortedTransactions

  static {
    historyOf = log => log.#state.history
    appendAsOwner = (log, batch, options) => {
      log.#state.expectOpen()
      return append(log.#state, batch, options)
    }
    reserveAsOwner = (log, request) => {
      log.#state.expectOpen()
      return reserve(log.#state, request)
    }
    reservingProducers = log => log.#state.history.reservations.producers
  }
  #closing: Promise<void> | undefined

  private constructor(state: LogState, recovery: RecoveryReport) {
    this.folder = state.folder
    this.recovery = recovery
    this.#state = state
    this.#compactor = new Compactor(state)
    this.#aborted = new AbortedTransactions(state)
    state.chain.confirmEpochs = () => confirmEpochs(state)
  }

  /**
   * Opens the log in `folder`, which is empty for a new one. What a crash may have damaged is
   * checked; see `recovery` for what was found. Damage that no crash explains raises
   * `CORRUPT_MESSAGE`, naming the file and the position, and changes nothing.
   */
  static async open(storage: Storage, folder: string, openOptions: LogOpenOptions = {}): Promise<Log> {
    expectLogPlace(storage, folder)
    expectOpenOptions(openOptions)
    const { state, report, makeReady } = await openLog(storage, folder, openOptions)
    const log = new Log(state, report)
    try {
      await makeReady()
      return log
    } catch (error) {
      state.failures.end(error)
      await log.close({ timeoutMs: unlimited })
      throw error
    }
  }

  /**
   * A log that cannot be used for the reason given, so that others can: whatever it is asked for,
   * it answers with that.
   */
  static stopped(storage: Storage, folder: string, failure: KafkaError, openOptions: LogOpenOptions = {}): Log {
    return new Log(stoppedLog(storage, folder, failure, openOptions), { segments: 0, batches: 0 })
  }

  /**
   * A log that takes no writes because opening it has raised `damage`, CORRUPT_MESSAGE. Nothing is
   * changed, and what comes before the damage can be read; where there is nothing, it is as
   * `stopped` makes it.
   */
  static async damaged(storage: Storage, folder: string, damage: KafkaError, openOptions: LogOpenOptions = {}): Promise<Log> {
    const state = await damagedLog(storage, folder, damage, openOptions)
    return new Log(state, { segments: state.segments.count, batches: 0 })
  }

  /** True if it could not be opened, see `stopped` and `damaged`. */
  get isStopped(): boolean {
    return this.#state.isStopped
  }

  /** The options in effect. */
  get options(): CompleteLogOptions {
    return this.#state.options
  }

  /** The first offset that can be read. */
  get logStartOffset(): number {
    return this.#state.logStartOffset
  }

  /** The offset that the next record will get. */
  get logEndOffset(): number {
    return this.#state.logEndOffset
  }

  /** Records below this offset are committed: no election takes them back. */
  get highWatermark(): number {
    return this.#state.highWatermark
  }

  /** Records below this offset are committed, and so are their transactions. */
  get lastStableOffset(): number {
    return this.#state.lastStableOffset
  }

  /** All before this offset survives a power cut. */
  get recoveryPoint(): number {
    return this.#state.recoveryPoint
  }

  /** Records from this offset on have not been compacted. */
  get firstDirtyOffset(): number {
    const { compactedUpTo = 0, logStartOffset } = this.#state
    return Math.max(compactedUpTo, logStartOffset)
  }

  /**
   * Offsets before this one may be missing although the log is not compacted: it was, or a replica
   * has its batches from one that was.
   */
  get gapsEndOffset(): number {
    return this.#state.chain.gapsEnd
  }

  /** The start of its first segment, which is no later than the start of the log. */
  get firstSegmentOffset(): number {
    return this.#state.segments.at(0)?.baseOffset ?? 0
  }

  get segmentCount(): number {
    return this.#state.segments.count
  }

  /** Bytes of all batches. */
  get sizeInBytes(): number {
    return this.#state.segments.sizeInBytes
  }

  /**
   * The same, with what was removed since it was opened: it grows by what is appended, whatever is
   * removed.
   */
  get grownBytes(): number {
    const { sizeInBytes, removedBytes } = this.#state.segments
    return sizeInBytes + removedBytes
  }

  /** The leaders that wrote it up to now: a copy, which changes nothing in the log. */
  get leaderEpochs(): LeaderEpochs {
    return this.#state.history.leaderEpochs.copy()
  }

  /** The reason why the log takes no more writes, if that is so. */
  get failure(): KafkaError | undefined {
    return this.#state.failures.final
  }

  /** Changes options of the running log; they count from the next append or retention on. */
  configure(options: LogOptions): void {
    this.#state.configure(completeLogOptions(options, this.#state.options))
    this.#state.boundSizeAt = 0
    if (setUpKeys(this.#state)) this.#buildKeys()
  }

  /**
   * Adds one batch and gives it the next offsets, after checking it as a Kafka leader does (a
   * replica's batches, of which there may be several, keep their offsets). The bytes are borrowed
   * until the call, or its promise, has returned: meanwhile the header carries the new offset and
   * leader epoch, afterwards it is as it was.
   *
   * Raises `CORRUPT_MESSAGE`, `INVALID_RECORD`, `INVALID_TIMESTAMP` (both perhaps as
   * `RecordValidationError`, telling which records), `MESSAGE_TOO_LARGE`, `RECORD_LIST_TOO_LARGE`,
   * `UNSUPPORTED_COMPRESSION_TYPE`, `POLICY_VIOLATION` (the storage is read-only),
   * `KAFKA_STORAGE_ERROR`, or `CONFLICT` (a `ConflictError`) where `options.condition` does not
   * hold.
   */
  append(batch: Uint8Array, options: AppendOptions = noOptions): MaybePromise<AppendInfo> {
    expectBytes('batch', batch)
    if (options !== noOptions) expectAppendOptions(options)
    this.#state.expectOpen()
    if (this.#state.isOwned)
      throw new KafkaError(
        'POLICY_VIOLATION',
        `The log \`${this.folder}\` is that of a partition, which only its node writes: send with a producer`
      )
    return append(this.#state, batch, options)
  }

  /**
   * Whole batches, back to back, from the one that contains `offset` on: usually no more than
   * `maxBytes`, and as many as are cheap to return in one piece. Empty at the end of the log. The
   * first batch may begin before `offset`; whoever decodes it skips those records. The bytes are
   * lent (`release`): nobody writes to them or transfers their memory. Checksums are left to
   * whoever decodes them (`RecordBatch.verify`), as in Kafka. Raises `OFFSET_OUT_OF_RANGE` below
   * `logStartOffset` and above `logEndOffset`, `CORRUPT_MESSAGE` for damage that stands in the way,
   * and `KAFKA_STORAGE_ERROR` when the storage fails.
   */
  read(offset: number, maxBytes: number, options: ReadOptions = noOptions): MaybePromise<Uint8Array> {
    if (!Number.isNaN(offset)) expectOffset('offset', offset)
    if (typeof maxBytes !== 'number' || Number.isNaN(maxBytes))
      throw new TypeError(`Expected \`maxBytes\` to be a number, got ${shown(maxBytes)}`)
    if (maxBytes < 0) throw new TypeError(`Expected \`maxBytes\` to be a non-negative number, got ${shown(maxBytes)}`)
    if (options !== noOptions) expectReadOptions(options)
    const { upTo, minOneBatch = true, checkCrcs = false } = options
    this.#expectReadable()
    const { logStartOffset, logEndOffset, segments } = this.#state
    if (!(offset >= logStartOffset && offset <= logEndOffset)) throw this.#state.outOfRange(offset)
    const limit = upTo !== undefined && upTo < logEndOffset ? upTo : logEndOffset
    if (offset >= limit) return new Uint8Array(0)
    const request = { offset, maxBytes, upTo: limit, minOneBatch, checkCrcs }
    try {
      const bytes = segments.read(request)
      return isPromise(bytes) ? this.#readUncut(bytes, request) : bytes
    } catch (error) {
      return failRead(this.#state, error, offset)
    }
  }

  /**
   * Reads again where the log was cut meanwhile: what was read may have been written over, from the
   * middle of a batch on.
   */
  async #readUncut(reading: Promise<Uint8Array>, request: SegmentRead): Promise<Uint8Array> {
    const { cuts } = this.#state
    try {
      const bytes = await reading
      if (cuts === this.#state.cuts) return bytes
      release(bytes)
    } catch (error) {
      if (cuts === this.#state.cuts) failRead(this.#state, error, request.offset)
    }
    const { offset, maxBytes, upTo, minOneBatch, checkCrcs } = request
    return this.read(offset, maxBytes, { upTo, minOneBatch, checkCrcs })
  }

  /**
   * The aborted transactions, ordered by their first offset, whose batches are passed over by
   * readers of `bytes`, which were read at `offset`.
   */
  abortedTransactions(offset: number, bytes: Uint8Array): MaybePromise<readonly AbortedTransaction[]> {
    expectOffset('offset', offset)
    expectBytes('bytes', bytes)
    const aborted = this.#aborted.within(offset, bytes)
    return isPromise(aborted) ? aborted.catch(error => failRead(this.#state, error)) : aborted
  }

  /**
   * The first record whose timestamp is at or after `timestamp` (ms since 1970); `undefined` when
   * there is none.
   */
  async offsetForTimestamp(timestamp: number): Promise<TimestampedOffset | undefined> {
    if (typeof timestamp !== 'number' || Number.isNaN(timestamp))
      throw new TypeError(`Expected \`timestamp\` to be milliseconds since 1970, a number, got ${shown(timestamp)}`)
    this.#expectReadable()
    const { segments, logStartOffset } = this.#state
    return segments.holding(held => offsetOfTimestamp(held, timestamp, logStartOffset)).catch(error => failRead(this.#state, error))
  }

  /**
   * The first record with the largest timestamp of the log (KIP-734); `undefined` when no record
   * has one.
   */
  async maxTimestamp(): Promise<TimestampedOffset | undefined> {
    this.#expectReadable()
    return this.#state.segments.holding(offsetOfMaxTimestamp).catch(error => failRead(this.#state, error))
  }

  /**
   * The offset of the last record of each key, `'none'` for one without a record: what a
   * conditional append may rely on. Records of transactions that are not committed do not count.
   * Raises `INVALID_CONFIG` without `keyIndex`, and what has kept the index from being built.
   */
  lastOffsets(keys: readonly Uint8Array[]): MaybePromise<(number | 'none')[]> {
    expectList('keys', keys, 'keys, each a Uint8Array')
    for (const key of keys) expectBytes('key', key)
    this.#expectReadable()
    return this.#state.changes.run(() => lastOffsetsOf(this.#state, keys))
  }

  /**
   * Bytes of memory that the index of keys takes, and how many keys it holds; undefined where there
   * is none.
   */
  get keyIndex(): { readonly keys: number; readonly sizeInBytes: number } | undefined {
    const { keys } = this.#state.history
    return keys && { keys: keys.count, sizeInBytes: keys.sizeInBytes }
  }

  /** Moves the high watermark up, never beyond the end of the log. Returns whether it moved. */
  advanceHighWatermark(offset: number): boolean {
    expectOffset('offset', offset)
    const target = Math.min(offset, this.#state.logEndOffset)
    if (!(target > this.#state.highWatermark)) return false
    this.#state.highWatermark = target
    return true
  }

  /**
   * Removes all from `offset` on. Only whole batches go, so the log then ends before `offset` where
   * a batch reaches across it.
   */
  truncateTo(offset: number): Promise<void> {
    expectInteger('offset', offset, 0)
    return exclusively(this.#state, () => truncateTo(this.#state, offset))
  }

  /** Removes everything; the next record gets `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    expectInteger('offset', offset, 0)
    return exclusively(this.#state, () => startAnew(this.#state, offset))
  }

  /**
   * Makes `offset` the start of the log. Segments that lie wholly before it are removed; what is
   * left of a segment is only no longer read. Nothing happens when the log starts there or later
   * already. Raises `OFFSET_OUT_OF_RANGE` above the high watermark.
   */
  deleteRecordsBefore(offset: number): MaybePromise<void> {
    if (!Number.isNaN(offset)) expectOffset('offset', offset)
    this.#state.expectOpen()
    return deleteRecordsBefore(this.#state, offset)
  }

  /**
   * Removes old segments as the options have it: those before `logStartOffset`, those beyond
   * `retentionBytes` and those older than `retentionMs`; never records above the high watermark.
   * Returns how many were removed. The size is looked after at each append as well.
   */
  applyRetention(): MaybePromise<number> {
    this.#state.expectOpen()
    return this.#state.isReadOnly ? 0 : applyRetention(this.#state)
  }

  /**
   * Removes the oldest segments that lie wholly before `offset`, until at least so many bytes are
   * gone; never records above the high watermark. The active segment goes too when all of it lies
   * before `offset`, and ends when a part of it does, so that this can go later. Returns the bytes
   * that are gone.
   */
  removeBefore(offset: number, bytes: number): MaybePromise<number> {
    expectOffset('offset', offset)
    if (typeof bytes !== 'number' || !(bytes >= 0))
      throw new TypeError(`Expected \`bytes\` to be a number that is not negative, got ${shown(bytes)}`)
    this.#state.expectOpen()
    return this.#state.isReadOnly || this.#state.failures.final ? 0 : removeBefore(this.#state, offset, bytes)
  }

  /**
   * The time at which the first records are to be removed for their age (ms since 1970), and where
   * the log starts then; undefined where none ever are.
   */
  nextExpiry(): Promise<{ readonly at: number; readonly upTo: number } | undefined> {
    return nextExpiry(this.#state)
  }

  /**
   * Ends the active segment where that is due by its age, so that compaction comes to its records
   * although nothing more is written.
   */
  async rollWhenDue(): Promise<void> {
    await rollWhenDue(this.#state)
  }

  /**
   * Bytes of the batches that hold `offset` and all that comes after it; somewhat more where the
   * index is too coarse to tell.
   */
  bytesFrom(offset: number): number {
    expectOffset('offset', offset)
    const { segments, logEndOffset } = this.#state
    return offset >= logEndOffset ? 0 : segments.bytesFrom(offset)
  }

  /** The part that is left to compact, and whether compaction is due. */
  async dirtiness(): Promise<Dirtiness> {
    this.#state.expectOpen()
    return this.#compactor.dirtiness()
  }

  /**
   * Removes records that a later one of the same key replaces, where the options say that the log
   * is compacted and it is dirty enough. The active segment is left alone, and offsets never
   * change. Tombstones stay for `deleteRetentionMs`. Reads and appends go on meanwhile. Returns
   * what was done, undefined for nothing.
   */
  async compact(options: CompactOptions = noOptions): Promise<CompactionReport | undefined> {
    expectCompactOptions(options)
    this.#state.expectOpen()
    return this.#state.isReadOnly ? undefined : this.#compactor.compact(options)
  }

  /** Resolves when all that was appended before the call survives a power cut. */
  sync(): Promise<void> {
    const state = this.#state
    return exclusively(state, () => state.flusher.sync(state.segments.all, state.logEndOffset))
  }

  /**
   * Ends the use of the log once all writes are done; idempotent. What it holds is then safe on the
   * disk, where `failure` does not tell otherwise. Rejects with REQUEST_TIMED_OUT when the storage
   * takes longer than `timeoutMs`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const timeoutMs = closeTimeoutMs(options)
    this.#closing ??= this.#close()
    await endOf(this.#closing, this.#state.clock, timeoutMs, `The log \`${this.folder}\``)
  }

  async #close(): Promise<void> {
    this.#state.isClosed = true
    await this.#compactor.close()
    await closeLog(this.#state)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Appends wait meanwhile. */
  #buildKeys(): void {
    const state = this.#state
    // A log that is closed or has failed says so to whoever uses it.
    exclusively(state, () => loadKeys(state)).catch(() => {})
  }

  #expectReadable(): void {
    this.#state.expectOpen()
    if (this.isStopped && this.segmentCount === 0) throw this.failure
  }
}
