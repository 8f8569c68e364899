import type { AnyTopic } from '../record/topic.js'
import type { ProducerRecordOf } from './producer-record.js'
import type { RecordMetadata, SendBatchResult } from './receipt.js'

/** The options that bound a call. */
export interface TransactionCallOptions {
  /** Ends the wait: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** The parts of a producer that a transaction needs. */
export interface TransactionOwner {
  send<const T extends AnyTopic | string>(
    number: number,
    topic: T,
    record: ProducerRecordOf<T>,
    options?: TransactionCallOptions
  ): Promise<RecordMetadata>
  sendBatch<const T extends AnyTopic | string>(
    number: number,
    topic: T,
    records: Iterable<ProducerRecordOf<T>>,
    options?: TransactionCallOptions
  ): Promise<SendBatchResult>
  end(number: number, isCommitted: boolean, options?: TransactionCallOptions): Promise<void>
}

/**
 * A transaction under way: what is sent in it is read by `read_committed` consumers once it is committed, all at once in each partition, or never.
 * `Producer.transaction` commits and aborts by itself; `Producer.begin` leaves that to you:
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
   * Sends one record, as `Producer.send` does. Its offset is known before the transaction ends. One that fails, whether its promise is awaited or not, makes
   * `commit` abort the transaction and reject. Rejects with INVALID_TXN_STATE when the transaction has ended, and with PRODUCER_FENCED.
   */
  send<const T extends AnyTopic | string>(
    topic: T,
    record: ProducerRecordOf<T>,
    options?: TransactionCallOptions
  ): Promise<RecordMetadata> {
    return this.#owner.send(this.#number, topic, record, options)
  }

  /** Sends many records, as `Producer.sendBatch` does, under the rules of `send`. */
  sendBatch<const T extends AnyTopic | string>(
    topic: T,
    records: Iterable<ProducerRecordOf<T>>,
    options?: TransactionCallOptions
  ): Promise<SendBatchResult> {
    return this.#owner.sendBatch(this.#number, topic, records, options)
  }

  /**
   * Waits until all that was sent is delivered, and commits it. Where something was not, aborts, and rejects with what went wrong. Rejects with PRODUCER_FENCED
   * where another producer has begun with the `transactionalId`, or the transaction took longer than `transactionTimeoutMs`. Where it rejects with another error
   * of the cluster, such as REQUEST_TIMED_OUT, it is not known how the transaction ended.
   */
  commit(options?: TransactionCallOptions): Promise<void> {
    return this.#owner.end(this.#number, true, options)
  }

  /** Gives up all that was sent in it. */
  abort(options?: TransactionCallOptions): Promise<void> {
    return this.#owner.end(this.#number, false, options)
  }
}
