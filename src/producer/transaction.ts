import type { HandedOutBatch, OffsetToCommit, TransactionConsumer } from '../client/transactional-offsets.js'
import type { AnyTopic, KeyOf, SendableOf } from '../record/topic.js'
import type { SendConditions } from './conditional/conditions.js'
import type { ProducerRecordOf } from './producer-record.js'
import type { RecordMetadata, SendBatchResult } from './receipt.js'

/** The options that bound a call. */
export interface TransactionCallOptions {
  /** Ends the wait: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** The conditions on which records are sent in a transaction, and the limit of the call. */
export interface TransactionSendOptions<K = unknown> extends SendConditions<K>, TransactionCallOptions {}

/** The parts of a producer that a transaction needs. */
export interface TransactionOwner {
  send<const T extends AnyTopic | string>(
    number: number,
    topic: T,
    record: ProducerRecordOf<T>,
    options?: TransactionSendOptions<SendableOf<KeyOf<T>>>
  ): Promise<RecordMetadata>
  sendBatch<const T extends AnyTopic | string>(
    number: number,
    topic: T,
    records: Iterable<ProducerRecordOf<T>>,
    options?: TransactionSendOptions<SendableOf<KeyOf<T>>>
  ): Promise<SendBatchResult>
  commitOffsets(
    number: number,
    consumer: TransactionConsumer,
    offsets?: readonly (OffsetToCommit | HandedOutBatch)[],
    options?: TransactionCallOptions
  ): Promise<void>
  end(number: number, isCommitted: boolean, options?: TransactionCallOptions): Promise<void>
}

/**
 * A transaction under way: what is sent in it is read by `read_committed` consumers once it is
 * committed, all at once in each partition, or never. `Producer.transaction` commits and aborts by
 * itself; `Producer.begin` leaves that to you:
 *
 * ```ts
 * const transaction = await producer.begin()
 * await transaction.send('accounts', { key: 'ann', value: '-5' })
 * await transaction.send('accounts', { key: 'bob', value: '+5' })
 * await transaction.commit()
 * ```
 *
 * Once it has ended, every call rejects with INVALID_TXN_STATE.
 */
export class Transaction {
  readonly #owner: TransactionOwner
  readonly #number: number

  /** Made by `Producer.begin`. @internal */
  constructor(owner: TransactionOwner, number: number) {
    this.#owner = owner
    this.#number = number
  }

  /**
   * Sends one record, as `Producer.send` does. Its offset is known before the transaction ends. One
   * that fails, whether its promise is awaited or not, makes `commit` abort the transaction and
   * reject. Rejects with INVALID_TXN_STATE when the transaction has ended, and with
   * PRODUCER_FENCED.
   *
   * With `ifKeyAt`, `ifKeysAt` or `ifEndAt` all conditions of a transaction hold at one moment, its
   * commit, or nothing is written: the keys, and the end of the partition, are reserved from the
   * call until the transaction ends, and writers of the same wait meanwhile. A condition that does
   * not hold rejects with CONFLICT, a `ConflictError`; so does one on what another transaction has
   * reserved, written and not decided, unless that one gives way by itself. Abort then, read again,
   * and try anew.
   */
  send<const T extends AnyTopic | string>(
    topic: T,
    record: ProducerRecordOf<T>,
    options?: TransactionSendOptions<SendableOf<KeyOf<T>>>
  ): Promise<RecordMetadata> {
    return this.#owner.send(this.#number, topic, record, options)
  }

  /**
   * Sends many records, as `Producer.sendBatch` does, under the rules of `send`. Those with
   * conditions may go to several partitions here, and so may the keys of `ifKeysAt`.
   */
  sendBatch<const T extends AnyTopic | string>(
    topic: T,
    records: Iterable<ProducerRecordOf<T>>,
    options?: TransactionSendOptions<SendableOf<KeyOf<T>>>
  ): Promise<SendBatchResult> {
    return this.#owner.sendBatch(this.#number, topic, records, options)
  }

  /**
   * Commits offsets of a consumer with this transaction (KIP-447): what the consumer has read and
   * what was made of it count together, or not at all. The consumer has a `groupId` and
   * `autoCommit: false`, and is of the same cluster.
   *
   * ```ts
   * for await (const batch of consumer.batches()) {
   *   await producer.transaction(async transaction => {
   *     await transaction.sendBatch('invoices', Array.from(batch, toInvoice))
   *     await transaction.commitOffsets(consumer)
   *   })
   * }
   * ```
   *
   * Without `offsets`: all that a loop has handed out, with the record or batch that it has in
   * hand. From then on an abort of any transaction of this producer takes the consumer back to its
   * last committed offsets, so that all that was handed out since comes again. With `offsets`: just
   * those, each that of the next record, or a batch that was handed out. An abort then takes back
   * these partitions. Handlers of `run` always say which: `commitOffsets(consumer, [batch])`.
   *
   * Rejects where the consumer no longer has a partition: ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID or
   * FENCED_INSTANCE_ID. `commit` then aborts the transaction, and the next one may go on with the
   * partitions that are left. Rejects with UNKNOWN_TOPIC_OR_PARTITION for a topic that was deleted,
   * with INVALID_TXN_STATE and PRODUCER_FENCED as `send` does, and with a `TypeError` for another
   * consumer.
   */
  commitOffsets(
    consumer: TransactionConsumer,
    offsets?: readonly (OffsetToCommit | HandedOutBatch)[],
    options?: TransactionCallOptions
  ): Promise<void> {
    return this.#owner.commitOffsets(this.#number, consumer, offsets, options)
  }

  /**
   * Waits until all that was sent is delivered, and commits it. Where something was not, aborts,
   * and rejects with what went wrong. Rejects with PRODUCER_FENCED where another producer has begun
   * with the `transactionalId`, or the transaction took longer than `transactionTimeoutMs`. Where
   * it rejects with another error of the cluster, such as REQUEST_TIMED_OUT, it is not known how
   * the transaction ended.
   */
  commit(options?: TransactionCallOptions): Promise<void> {
    return this.#owner.end(this.#number, true, options)
  }

  /** Gives up all that was sent in it. */
  abort(options?: TransactionCallOptions): Promise<void> {
    return this.#owner.end(this.#number, false, options)
  }
}
