import { type Clock, systemClock } from '../common/clock.js'
import { type Dates, datesOf } from '../common/dates.js'
import { answerOf, harmless } from '../common/foreign.js'
import { KafkaError } from '../errors.js'
import type { Storage } from '../storage/storage.js'
import { InOrder } from './in-order.js'
import { LogFlusher } from './log-flusher.js'
import type { LogHistory } from './log-history.js'
import type { CompleteLogOptions } from './log-options.js'
import type { LogEvents, LogOpenOptions } from './log-types.js'
import type { Segment } from './segment.js'
import { SegmentList } from './segment-list.js'
import { WriteFailures } from './write-failures.js'
import { WriteTurns } from './write-turns.js'

/** What a log consists of, and where it begins and ends. `Log` is what its users see of it; those who change it stand in the files named `log-…`. */
export class LogState {
  readonly storage: Storage
  readonly folder: string
  readonly clock: Clock
  readonly dates: Dates
  readonly events: LogEvents
  readonly autoHighWatermark: boolean
  readonly isReadOnly: boolean
  readonly segments: SegmentList
  readonly history: LogHistory
  readonly flusher: LogFlusher
  readonly failures: WriteFailures
  /** All that changes the log stands in this line; reads do not. */
  readonly changes = new InOrder()
  readonly writes = new WriteTurns()
  options: CompleteLogOptions
  logStartOffset = 0
  logEndOffset = 0
  highWatermark = 0
  /** What the next batch gets; ahead of `logEndOffset` while writes are under way. */
  nextOffset = 0
  /** Records before this offset have been compacted; undefined where that is not known of any. */
  compactedUpTo: number | undefined
  /** How often the end was moved back: segments that were read before hold something else since. */
  cuts = 0
  isClosed = false
  /** The size at which it is looked again whether the oldest segments may go, while someone keeps them. */
  boundSizeAt = 0

  constructor(
    storage: Storage,
    folder: string,
    openOptions: LogOpenOptions,
    options: CompleteLogOptions,
    segments: Segment[],
    history: LogHistory
  ) {
    this.storage = storage
    this.folder = folder
    this.clock = openOptions.clock ?? systemClock
    this.dates = datesOf(this.clock)
    // The options themselves are not kept: a thousand logs would feel it.
    const { onRoll, saveRecoveryPoint, onSegmentsRemoved, onFailure, keepFrom } = openOptions
    this.events = {
      saveRecoveryPoint,
      // Without an answer nothing is removed.
      keepFrom: keepFrom && (() => answerOf('keepFrom', keepFrom, 0)),
      onRoll: onRoll && harmless('onRoll', onRoll),
      onSegmentsRemoved: onSegmentsRemoved && harmless('onSegmentsRemoved', onSegmentsRemoved)
    }
    this.autoHighWatermark = openOptions.autoHighWatermark ?? true
    this.isReadOnly = storage.readOnly ?? false
    this.options = options
    this.compactedUpTo = openOptions.firstDirtyOffset
    this.failures = new WriteFailures(folder, onFailure && harmless('onFailure', onFailure))
    this.segments = new SegmentList(segments, this.failures.behind)
    this.history = history
    this.flusher = new LogFlusher(storage, folder, history, openOptions.recoveryPoint ?? 0, {
      onSealed: segment => this.segments.limitLoaded(segment),
      onFailure: this.failures.behind,
      removed: () => this.segments.removals().then(() => this.failures.final === undefined)
    })
  }

  /** Records below this offset are committed, and so are their transactions. */
  get lastStableOffset(): number {
    return this.highWatermark
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
    this.history.leaderEpochs.truncateFromEnd(offset)
  }

  outOfRange(offset: number): KafkaError {
    const range = `${this.logStartOffset} to ${this.logEndOffset}`
    return new KafkaError('OFFSET_OUT_OF_RANGE', `The offset ${offset} lies outside the log \`${this.folder}\`, which has ${range}`)
  }
}
