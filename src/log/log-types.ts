import type { Clock } from '../common/clock.js'
import type { KafkaError } from '../errors.js'
import type { AppendOrigin } from './append/batch-validation.js'
import type { ProducerRoom } from './history/producer-room.js'
import type { KeyCondition } from './keys/key-index.js'
import type { LogOptions } from './log-options.js'

/** The parameters of `Log.open` besides the options that can change later. */
export interface LogOpenOptions extends LogOptions {
  /** The source of time. Default: the machine's clock. */
  readonly clock?: Clock
  /**
   * True if what has been written counts as committed at once, as it should where there are no
   * replicas. Default: `true`; with `false` the owner moves the high watermark with
   * `advanceHighWatermark`.
   */
  readonly autoHighWatermark?: boolean
  /**
   * Records below this offset were deleted before the log was last closed. Default: the log starts
   * where its first segment does.
   */
  readonly logStartOffset?: number
  /**
   * True if the log was closed in order and nothing has touched it since: it is then taken as it
   * is. Default: `false`.
   */
  readonly isClean?: boolean
  /**
   * All below this offset was synced, so that a crash cannot have damaged it. Default: not known.
   */
  readonly recoveryPoint?: number
  /**
   * A high watermark that the log once had: it tells whether a recovery point or a start behind the
   * end of the log is wrong, or records are gone. Default: not known, and records are gone then.
   */
  readonly highWatermark?: number
  /**
   * Records below this offset were compacted before the log was last closed. Default:
   * `logStartOffset`, so that all of it is looked at again.
   */
  readonly firstDirtyOffset?: number
  /**
   * Called a moment after a segment has ended and the next one begun, at `baseOffset`. What it
   * throws becomes a warning of the process.
   */
  readonly onRoll?: (baseOffset: number) => void
  /**
   * Called, and awaited, before something relies on the recovery point, which may have moved either
   * way, being known after a crash. It must not wait for the log itself, its `close` for one. What
   * it throws, the call that needed it rejects with.
   */
  readonly saveRecoveryPoint?: () => Promise<void>
  /**
   * Called a moment after something failed that nobody waits for, so that the log takes no more
   * writes. What it throws becomes a warning of the process.
   */
  readonly onFailure?: (failure: KafkaError) => void
  /**
   * Called a moment after the first write that succeeded where there was no room on the disk
   * before. What it throws becomes a warning of the process.
   */
  readonly onRoom?: () => void
  /**
   * Called a moment after a place was found to be damaged, once for each: with a CORRUPT_MESSAGE
   * that names `file` and `position`, or `line`. What can be made anew from the batches is; the
   * batches themselves stay as they are. What it throws becomes a warning of the process.
   */
  readonly onDamage?: (damage: KafkaError) => void
  /**
   * Called a moment after old segments were removed. What it throws becomes a warning of the
   * process.
   */
  readonly onSegmentsRemoved?: (removed: RemovedSegments) => void
  /**
   * Records from this offset on are not removed for their size; asked when that is about to happen.
   * Must not throw. Default: none are kept.
   */
  readonly keepFrom?: () => number
  /**
   * Shared by logs, to bound how many producers they remember together. Default: 100000 for this
   * log alone. @internal
   */
  readonly producerRoom?: ProducerRoom
  /** True if only the node that has it may append to it. @internal */
  readonly isOwned?: boolean
}

/** The events of a log. */
export type LogEvents = Pick<LogOpenOptions, 'onRoll' | 'saveRecoveryPoint' | 'onFailure' | 'onSegmentsRemoved' | 'keepFrom'>

/**
 * The reason for a removal of segments: their records had been deleted (`'deletion'`), they were
 * beyond
 * `retentionBytes` or memory was short (`'size'`), or they were older than `retentionMs`
 * (`'time'`).
 */
export type RemovalReason = 'deletion' | 'size' | 'time'

export interface RemovedSegments {
  readonly segments: number
  readonly bytes: number
  readonly reason: RemovalReason
  /** The start offset before, and the present one. */
  readonly from: number
  readonly logStartOffset: number
}

export interface AppendOptions {
  /**
   * The epoch of the leader that takes the batch in. Default: the latest one in the log, 0 in an
   * empty one. An older one than that is refused with FENCED_LEADER_EPOCH. A replica's batches have
   * theirs already.
   */
  readonly leaderEpoch?: number
  /** The origin of the batch, which decides on the checks. Default: `'client'`. */
  readonly origin?: AppendOrigin
  /**
   * The conditions that must hold when the batch gets its offsets; otherwise it is refused with
   * CONFLICT, a `ConflictError`. Default: nothing.
   */
  readonly condition?: AppendCondition
}

/** The conditions on a log for a batch to be appended: all of it, or nothing is written. */
export interface AppendCondition {
  /** The required end offset of the log. */
  readonly endOffset?: number
  /**
   * The required last offsets of keys, in a log with `keyIndex`. They need not be keys of the
   * batch.
   */
  readonly keys?: readonly KeyCondition[]
}

/** The place of a batch in the log. */
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
  /** True if the first batch is returned even if it is larger than `maxBytes`. Default: `true`. */
  readonly minOneBatch?: boolean
  /**
   * True if checksums are compared, too. Default: `false`: that is left to whoever decodes the
   * batches.
   */
  readonly checkCrcs?: boolean
}
