import { isPromise, type MaybePromise } from '../common/deferred.js'
import { expectBytes } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { AppendOrigin } from '../log/append/batch-validation.js'
import { appendAsOwner, type Log } from '../log/log.js'
import type { AppendCondition, AppendInfo } from '../log/log-types.js'
import type { PartitionState } from '../metadata/cluster-metadata.js'
import { isTransactional, producerEpochAt, producerIdAt } from '../record/batch-header.js'
import type { PartitionBacklog } from './backlog/partition-backlog.js'
import { goesOn } from './open-transaction.js'

/** The callbacks of a partition to those that wait for it. */
export interface AppendListener {
  /** `stableBytes` is how many more bytes readers of what is committed may see. */
  appended(bytes: number, stableBytes: number): void
  ended(): void
}

/**
 * Adds one batch as the leader: offsets and leader epoch are stamped, the high watermark moves on,
 * and waiting fetches wake. Throws or rejects with a `KafkaError` when the batch is refused. The
 * bytes are borrowed until it returns. For the node alone: clients come through the waist.
 *
 * It asks for no room: what groups store and the markers of transactions come this way, and readers
 * could never make room if those were held. Batches of producers come through Produce, where the
 * backlog quota of the topic decides.
 */
export let appendToPartition: (
  partition: Partition,
  batch: Uint8Array,
  origin?: AppendOrigin,
  condition?: AppendCondition
) => MaybePromise<AppendInfo>

/**
 * The records of a partition that are still to be read, and the batches that wait for room. For the
 * node alone, as what follows.
 */
export let backlogOf: (partition: Partition) => PartitionBacklog

/** Follows a change of leader, replicas or in-sync set. */
export let followState: (partition: Partition, state: PartitionState) => void

/** Calls `listener.appended` after every append, until `stopListening`. */
export let listenTo: (partition: Partition, listener: AppendListener) => void

export let stopListening: (partition: Partition, listener: AppendListener) => void

/** Says that the topic is gone: those who wait are told at once. */
export let markDeleted: (partition: Partition) => void

/** One partition of a topic on this node: its log, who leads it, and who waits for it to grow. */
export class Partition {
  readonly topic: string
  readonly partition: number
  readonly log: Log
  readonly #backlog: PartitionBacklog
  /**
   * The listener that waits for it to grow. Mostly there is one, which comes and goes with every
   * fetch; a field is cheaper than a set.
   */
  #listener: AppendListener | undefined
  readonly #otherListeners = new Set<AppendListener>()
  readonly #isInTransaction: IsInTransaction
  /** Bytes that were appended behind the last stable offset. */
  #undecidedBytes = 0
  #stableUpTo = 0
  #state: PartitionState
  #isDeleted = false

  static {
    appendToPartition = (partition, batch, origin = 'client', condition = undefined) => {
      expectBytes('batch', batch)
      if (isClient(origin) && isTransactional(batch) && !partition.#hasTransactionOf(batch))
        throw new KafkaError(
          'INVALID_TXN_STATE',
          `The batch for ${partition.topic}-${partition.partition} belongs to no transaction that is known here`
        )
      const info = appendAsOwner(
        partition.log,
        batch,
        condition ? { leaderEpoch: partition.leaderEpoch, origin, condition } : { leaderEpoch: partition.leaderEpoch, origin }
      )
      if (isPromise(info)) return info.then(written => partition.#appended(written, batch.length))
      return partition.#appended(info, batch.length)
    }
    backlogOf = partition => partition.#backlog
    followState = (partition, state) => {
      partition.#state = state
    }
    listenTo = (partition, listener) => partition.#listen(listener)
    stopListening = (partition, listener) => partition.#unlisten(listener)
    markDeleted = partition => partition.#markDeleted()
  }

  /** Made by the node. @internal */
  constructor(topic: string, state: PartitionState, log: Log, backlog: PartitionBacklog, isInTransaction: IsInTransaction = () => false) {
    this.topic = topic
    this.partition = state.partition
    this.#state = state
    this.log = log
    this.#backlog = backlog
    this.#isInTransaction = isInTransaction
  }

  get leaderEpoch(): number {
    return this.#state.leaderEpoch
  }

  /** -1 while there is none. */
  get leaderId(): number {
    return this.#state.leaderId
  }

  get replicas(): readonly number[] {
    return this.#state.replicas
  }

  get isr(): readonly number[] {
    return this.#state.isr
  }

  get logStartOffset(): number {
    return this.log.logStartOffset
  }

  get logEndOffset(): number {
    return this.log.logEndOffset
  }

  /**
   * The offset up to which all in-sync replicas have the log; consumers read no further. The log
   * moves it: this replica is the only one.
   */
  get highWatermark(): number {
    return this.log.highWatermark
  }

  /** The offset up to which all transactions are decided. */
  get lastStableOffset(): number {
    return this.log.lastStableOffset
  }

  /**
   * The number of records that retention removed unread in this process: by live readers, or by
   * groups that have committed.
   */
  get lostRecords(): number {
    return this.#backlog.lostRecords
  }

  get isDeleted(): boolean {
    return this.#isDeleted
  }

  #listen(listener: AppendListener): void {
    if (this.#listener === undefined) this.#listener = listener
    else if (this.#listener !== listener) this.#otherListeners.add(listener)
  }

  #unlisten(listener: AppendListener): void {
    if (this.#listener === listener) this.#listener = undefined
    else this.#otherListeners.delete(listener)
  }

  #markDeleted(): void {
    this.#isDeleted = true
    this.#backlog.refuseHeld(new KafkaError('UNKNOWN_TOPIC_OR_PARTITION'))
    this.#listener?.ended()
    for (const listener of this.#otherListeners) listener.ended()
  }

  /**
   * True if a batch belongs to a transaction that is open here, or that this partition takes part
   * in.
   */
  #hasTransactionOf(batch: Uint8Array): boolean {
    if (goesOn(this.log, batch)) return true
    return this.#isInTransaction(producerIdAt(batch, 0), producerEpochAt(batch, 0), this.topic, this.partition)
  }

  #appended(info: AppendInfo, bytes: number): AppendInfo {
    const stableBytes = this.#stableBytes(bytes)
    this.#listener?.appended(bytes, stableBytes)
    if (this.#otherListeners.size > 0) for (const listener of this.#otherListeners) listener.appended(bytes, stableBytes)
    return info
  }

  /**
   * The number of bytes that readers of committed records may see after this append; to within
   * `indexIntervalBytes` while a transaction is open.
   */
  #stableBytes(bytes: number): number {
    const { lastStableOffset, logEndOffset } = this.log
    const undecidedBefore = this.#undecidedBytes + bytes
    if (lastStableOffset >= logEndOffset) this.#undecidedBytes = 0
    else if (lastStableOffset > this.#stableUpTo) this.#undecidedBytes = Math.min(undecidedBefore - 1, this.log.bytesFrom(lastStableOffset))
    else this.#undecidedBytes = undecidedBefore
    this.#stableUpTo = lastStableOffset
    return undecidedBefore - this.#undecidedBytes
  }
}

/** True if a partition takes part in the transaction that a producer has under way. */
export type IsInTransaction = (producerId: number, producerEpoch: number, topic: string, partition: number) => boolean

function isClient(origin: AppendOrigin): boolean {
  return origin === 'client' || origin === 'producer'
}
