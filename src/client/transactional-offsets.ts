import { shown } from '../common/options.js'
import type { CallOptions } from './retry.js'

/** An offset to commit: that of the next record to read. */
export interface OffsetToCommit {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Of the last record read; lets Kafka notice a log that was cut back. Default: -1, unknown. */
  readonly leaderEpoch?: number
  /** A note of up to 4096 bytes, kept with the offset. Default: empty. */
  readonly metadata?: string
}

/** A batch of records that a consumer has handed out; `ConsumerBatch` is one. */
export interface HandedOutBatch {
  readonly topic: string
  readonly partition: number
  /** The offset to go on at, after its last record. */
  readonly endOffset: number
}

/** A consumer with a `groupId` and `autoCommit: false`. */
export interface TransactionConsumer {
  /** The id of this member in its group at present. */
  readonly memberId: string | undefined
}

/** The producer whose transaction offsets belong to. */
export interface TransactionIdentity {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

/** The part of a consumer in one transaction. */
export interface TransactionalOffsets {
  /**
   * True if an abort takes the consumer back even where none of its offsets was committed in the
   * transaction.
   */
  readonly isLasting: boolean
  /** True if the consumer is closed. */
  readonly isClosed: boolean
  /**
   * Commits offsets, those of all that was handed out by default. Returns whether there were any.
   */
  commit(
    identity: TransactionIdentity,
    offsets: readonly (OffsetToCommit | HandedOutBatch)[] | undefined,
    limits: CallOptions
  ): Promise<boolean>
  /** The transaction has ended; `isCommitted` is undefined where it is not known how. */
  ended(isCommitted: boolean | undefined): void
}

/**
 * `takesBack` is whether an abort takes back all of its partitions, whatever it has committed in
 * the transaction.
 */
type Begin = (takesBack: boolean) => TransactionalOffsets

/** By consumer: what begins its part in a transaction. */
const consumers = new WeakMap<object, Begin>()

/** Lets transactions commit the offsets of a consumer. */
export function takesPartInTransactions(consumer: object, begin: Begin): void {
  consumers.set(consumer, begin)
}

/**
 * The part of a consumer in a transaction that has begun. Throws a `TypeError` for what is no such
 * consumer.
 */
export function transactionalOffsetsOf(consumer: TransactionConsumer, takesBack = false): TransactionalOffsets {
  const begin = typeof consumer === 'object' && consumer !== null ? consumers.get(consumer) : undefined
  if (begin) return begin(takesBack)
  throw new TypeError(
    `Expected \`consumer\` to be a consumer, \`cluster.consumer({ groupId, autoCommit: false })\`, got ${shown(consumer)}`
  )
}
