import type { Clock } from '../common/clock.js'
import { type Dates, datesOf } from '../common/dates.js'
import { harmless, numberOf } from '../common/foreign.js'
import { guardedClock } from '../common/guarded-clock.js'
import { systemClock } from '../common/system-clock.js'
import { KafkaError } from '../errors.js'
import type { Storage } from '../storage/storage.js'
import { WriteFailures } from './append/write-failures.js'
import { WriteTurns } from './append/write-turns.js'
import type { LogHistory } from './history/log-history.js'
import { InOrder } from './in-order.js'
import { LogFlusher } from './log-flusher.js'
import type { CompleteLogOptions } from './log-options.js'
import type { LogEvents, LogOpenOptions } from './log-types.js'
import type { BatchChain } from './segment/batch-chain.js'
import type { Segment } from './segment/segment.js'
import { SegmentList } from './segment/segment-list.js'

/** State of a log that it shares with its segments. */
export interface LogParts {
  readonly history: LogHistory
  readonly chain: BatchChain
}

/**
 * The segments of a log, and its start and end offsets. `Log` is the public side; the files named
 * `log-…` hold the operations that change it.
 *
 * Size: it is what the operations of `log/` share; `Log` shows none of it.
 */
export class LogState {
  readonly storage: Storage
  readonly folder: string
  readonly clock: Clock
  readonly dates: Dates
  readonly events: LogEvents
  readonly autoHighWatermark: boolean
  /** True if only the node that has it may append to it. */
  readonly isOwned: boolean
  readonly segments: SegmentList
  readonly history: LogHistory
  readonly flusher: LogFlusher
  readonly failures: WriteFailures
  /** All that changes the log stands in this line; reads do not. */
  readonly changes = new InOrder()
  readonly writes = new WriteTurns()
  readonly chain: BatchChain
  #options: CompleteLogOptions
  logEndOffset = 0
  highWatermark = 0
  /** The offset that the next batch gets; ahead of `logEndOffset` while writes are under way. */
  nextOffset = 0
  /** The number of truncations: segments that were read before have other content since. */
  cuts = 0
  isClosed = false
  /**
   * Transactions that have ended, whose markers readers do not see yet; in the order of the
   * markers.
   */
  readonly #ending: { readonly firstOffset: number; readonly lastOffset: number }[] = []
  #lastKnownStable: number | undefined
  #isStopped = false
  /**
   * The size at which it is looked again whether the oldest segments may go, while someone keeps
   * them.
   */
  boundSizeAt = 0

  constructor(
    storage: Storage,
    folder: string,
    openOptions: LogOpenOptions,
    options: CompleteLogOptions,
    segments: Segment[],
    { history, chain }: LogParts
  ) {
    this.storage = storage
    this.folder = folder
    this.clock = guardedClock(openOptions.clock ?? systemClock)
    this.dates = datesOf(this.clock)
    // The options themselves are not kept: a thousand logs would feel it.
    const { onRoll, saveRecoveryPoint, onSegmentsRemoved, onFailure, onRoom, keepFrom } = openOptions
    this.events = {
      saveRecoveryPoint,
      // Without an answer nothing is removed.
      keepFrom: keepFrom && (() => numberOf('keepFrom', keepFrom, () => 0)),
      onRoll: onRoll && harmless('onRoll', onRoll),
      onSegmentsRemoved: onSegmentsRemoved && harmless('onSegmentsRemoved', onSegmentsRemoved)
    }
    this.autoHighWatermark = openOptions.autoHighWatermark ?? true
    this.isOwned = openOptions.isOwned ?? false
    this.#options = options
    this.chain = chain
    this.failures = new WriteFailures(folder, onFailure && harmless('onFailure', onFailure), onRoom && harmless('onRoom', onRoom))
    this.segments = new SegmentList(segments, this.failures.behind)
    this.history = history
    this.flusher = new LogFlusher(storage, folder, history, openOptions.recoveryPoint ?? 0, {
      onSealed: segment => this.segments.limitLoaded(segment),
      onFailure: this.failures.behind,
      removed: () => this.segments.removals().then(() => this.failures.final === undefined)
    })
  }

  /** Ends the writing for good, because the log could not be opened. */
  stop(failure: KafkaError): void {
    this.#isStopped = true
    this.failures.final = new KafkaError('KAFKA_STORAGE_ERROR', `The log \`${this.folder}\` is stopped: ${failure.message}`, {
      cause: failure
    })
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  get isReadOnly(): boolean {
    return this.#isStopped || (this.storage.readOnly ?? false)
  }

  get options(): CompleteLogOptions {
    return this.#options
  }

  configure(options: CompleteLogOptions): void {
    this.#options = options
    this.chain.configure(options)
  }

  get logStartOffset(): number {
    return this.chain.startOffset
  }

  set logStartOffset(offset: number) {
    this.chain.startOffset = offset
  }

  /** Records before this offset have been compacted; undefined where that is not known of any. */
  get compactedUpTo(): number | undefined {
    return this.chain.compactedUpTo
  }

  set compactedUpTo(offset: number | undefined) {
    this.chain.compactedUpTo = offset
  }

  /** Records below this offset are committed, and so are their transactions. */
  get lastStableOffset(): number {
    const { highWatermark } = this
    let undecided = this.#lastKnownStable ?? this.history.producers.firstOpenOffset
    if (this.#ending.length > 0) undecided = Math.min(undecided, this.#firstUnseen())
    return undecided < highWatermark ? Math.max(undecided, this.logStartOffset) : highWatermark
  }

  /**
   * A marker at `offset` is about to end the transaction of a producer, if it has one. Until it can
   * be read, the transaction counts as open.
   */
  endsTransaction(producerId: number, offset: number): void {
    const firstOffset = this.history.producers.get(producerId)?.transactionStart ?? -1
    this.#firstUnseen()
    if (firstOffset >= 0) this.#ending.push({ firstOffset, lastOffset: offset })
  }

  /** Keeps the last stable offset where it is while what is known of producers is read again. */
  async keepingStable(reading: () => Promise<void>): Promise<void> {
    this.#lastKnownStable = this.lastStableOffset
    try {
      await reading()
      this.forgetEnding(this.nextOffset)
    } finally {
      this.#lastKnownStable = undefined
    }
  }

  /** The log was cut at `offset`. */
  forgetEnding(offset = 0): void {
    while (this.#ending.length > 0 && this.#ending[this.#ending.length - 1].lastOffset >= offset) this.#ending.pop()
  }

  /** The first offset of the transactions whose markers cannot be read yet. */
  #firstUnseen(): number {
    while (this.#ending.length > 0 && this.#ending[0].lastOffset < this.highWatermark) this.#ending.shift()
    let first = Number.POSITIVE_INFINITY
    for (const { firstOffset } of this.#ending) first = Math.min(first, firstOffset)
    return first
  }

  /** All before this offset survives a power cut. */
  get recoveryPoint(): number {
    return this.flusher.recoveryPoint(this.logEndOffset)
  }

  expectOpen(): void {
    if (this.isClosed) throw new KafkaError('CLOSED', `The log \`${this.folder}\` is closed`)
  }

  expectWritable(): void {
    if (this.failures.final) throw this.failures.final
    if (this.isReadOnly) throw new KafkaError('POLICY_VIOLATION', `The log \`${this.folder}\` was opened read-only`)
  }

  /** The log ends at `offset`, which is no later than where it ended. */
  endAt(offset: number): void {
    this.nextOffset = offset
    this.logEndOffset = offset
    this.highWatermark = Math.min(this.highWatermark, offset)
    this.logStartOffset = Math.min(this.logStartOffset, offset)
    if (this.compactedUpTo !== undefined) this.compactedUpTo = Math.min(this.compactedUpTo, offset)
    this.cuts++
    this.history.forgetRemembered()
    this.history.leaderEpochs.truncateFromEnd(offset)
  }

  outOfRange(offset: number): KafkaError {
    const range = `${this.logStartOffset} to ${this.logEndOffset}`
    return new KafkaError('OFFSET_OUT_OF_RANGE', `The offset ${offset} lies outside the log \`${this.folder}\`, which has ${range}`)
  }
}
