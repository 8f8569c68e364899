import type { HandedOutBatch, OffsetToCommit, TransactionConsumer } from '../client/transactional-offsets.js'
import { expectOptions, expectSignal } from '../common/options.js'
import type { KafkaError } from '../errors.js'
import type { AnyTopic } from '../record/topic.js'
import { isConditional } from './conditional/conditions.js'
import type { SentAt, TransactionConditions } from './conditional/transaction-conditions.js'
import type { PendingAppend } from './pending-append.js'
import type { AnyRecord, ProducerRecord, ProducerRecordOf } from './producer-record.js'
import type { RecordMetadata, SendBatchResult } from './receipt.js'
import { expectRecords, expectSendOptions } from './send-options.js'
import type { TopicWriter } from './topic-writer.js'
import type { TransactionCallOptions, TransactionOwner, TransactionSendOptions } from './transaction.js'
import type { Transactions } from './transactions.js'

/** The parts of a producer with which records of a transaction are sent. */
export interface TransactionalSends {
  send(topic: AnyTopic | string, record: AnyRecord, options?: TransactionCallOptions): Promise<RecordMetadata>
  sendBatch(topic: AnyTopic | string, records: Iterable<AnyRecord>, options?: TransactionCallOptions): Promise<SendBatchResult>
  flush(options: TransactionCallOptions): Promise<void>
  /** The writer of a topic, after the checks that precede all records. */
  writerFor(topic: AnyTopic | string, options: TransactionCallOptions): TopicWriter
  admit(append: PendingAppend, writer: TopicWriter): void
  newConditions(): TransactionConditions
}

/**
 * The calls of a producer's transactions, one of which is open at a time: only in them does a
 * producer with a transactional id send.
 */
export class TransactionCalls implements TransactionOwner {
  readonly #transactions: Transactions
  readonly #sends: TransactionalSends
  #conditions: TransactionConditions | undefined
  #isCalling = false
  #isTaken = false

  constructor(transactions: Transactions, sends: TransactionalSends) {
    this.#transactions = transactions
    this.#sends = sends
  }

  /** True if a call comes from the transaction that is open. */
  get isCalling(): boolean {
    return this.#isCalling
  }

  /** True if what a call sends was taken in before: closing waits for it. */
  get isTaken(): boolean {
    return this.#isTaken
  }

  send<const T extends AnyTopic | string>(
    number: number,
    topic: T,
    record: ProducerRecordOf<T>,
    options?: TransactionSendOptions
  ): Promise<RecordMetadata> {
    return this.#inTransaction(number, options, () =>
      options !== undefined && isConditional(options)
        ? this.#sendReserved(number, topic, [record], options, (name, [held]) => this.#sendOne(name, held))
        : this.#sends.send(topic, record, options)
    )
  }

  sendBatch<const T extends AnyTopic | string>(
    number: number,
    topic: T,
    records: Iterable<ProducerRecordOf<T>>,
    options?: TransactionSendOptions
  ): Promise<SendBatchResult> {
    return this.#inTransaction(number, options, () =>
      options !== undefined && isConditional(options)
        ? this.#sendReserved(number, topic, records, options, (name, held) => this.#sendMany(name, held))
        : this.#sends.sendBatch(topic, records, options)
    )
  }

  async commitOffsets(
    number: number,
    consumer: TransactionConsumer,
    offsets?: readonly (OffsetToCommit | HandedOutBatch)[],
    options: TransactionCallOptions = {}
  ): Promise<void> {
    expectOptions('a transaction', options, signalOnly)
    await this.#transactions.commitOffsets(number, consumer, offsets, options.signal)
  }

  async end(number: number, isCommitted: boolean, options: TransactionCallOptions = {}): Promise<void> {
    expectOptions('a transaction', options, signalOnly)
    const { signal } = options
    this.#transactions.close(number)
    let hasFlushed = false
    try {
      await this.#sends.flush(signal ? { signal } : {})
      await this.#transactions.offsetsSettled(signal)
      hasFlushed = true
    } finally {
      // Batches under way may be written later: the next transaction begins with another epoch.
      if (!hasFlushed) this.#transactions.abandon()
    }
    await this.#transactions.end(isCommitted, signal)
  }

  /** Resolves when no condition is waited for. */
  drained(): Promise<void> | undefined {
    return this.#conditions?.drained()
  }

  stop(error: KafkaError): void {
    this.#conditions?.stop(error)
  }

  /** Sends in the open transaction; one that fails makes it abort. */
  #inTransaction<R>(number: number, options: TransactionSendOptions | undefined, send: () => Promise<R>): Promise<R> {
    try {
      if (options !== undefined) expectSendOptions(options)
      this.#transactions.expectOpen(number)
      const sent = this.#call(send, false)
      sent.catch(error => this.#transactions.failed(error))
      return sent
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #call<R>(call: () => R, isTaken: boolean): R {
    this.#isCalling = true
    this.#isTaken = isTaken
    try {
      return call()
    } finally {
      this.#isCalling = false
      this.#isTaken = false
    }
  }

  async #sendOne(topic: string, record: ProducerRecord): Promise<SentAt<RecordMetadata>> {
    const result = await this.#call(() => this.#sends.send(topic, record), true)
    return { result, baseOffset: result.offset }
  }

  async #sendMany(topic: string, records: readonly ProducerRecord[]): Promise<SentAt<SendBatchResult>> {
    const result = await this.#call(() => this.#sends.sendBatch(topic, records), true)
    return { result, baseOffset: result.ranges[0].baseOffset }
  }

  /** Sends records of the transaction once what their conditions rely on is reserved for it. */
  #sendReserved<R>(
    number: number,
    topic: AnyTopic | string,
    records: Iterable<AnyRecord>,
    options: TransactionSendOptions,
    send: (topic: string, records: ProducerRecord[]) => Promise<SentAt<R>>
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      const writer = this.#sends.writerFor(topic, options)
      expectRecords(records)
      this.#conditions ??= this.#sends.newConditions()
      this.#sends.admit(this.#conditions.prepare(number, topic, records, options, send, resolve, reject), writer)
    })
  }
}

const signalOnly = { signal: expectSignal }
