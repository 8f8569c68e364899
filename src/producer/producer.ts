import { CoordinatorCache } from '../client/coordinator-cache.js'
import { MetadataCache } from '../client/metadata-cache.js'
import { Backoff } from '../client/retry.js'
import { compareWithDescription } from '../client/topic-description.js'
import type { Clock } from '../common/clock.js'
import { closeTimeoutMs, Deadline, lastStep } from '../common/closing.js'
import { datesOf } from '../common/dates.js'
import { abortable, isPromise } from '../common/deferred.js'
import { Emitter } from '../common/emitter.js'
import { guardedClock } from '../common/guarded-clock.js'
import { expectFunctions, expectOptions, expectSignal, shown } from '../common/options.js'
import { guardedRandom, type Random } from '../common/random.js'
import { Stretch, turnsOf } from '../common/turns.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import { type AnyTopic, expectTopic, type KeyOf, type SendableOf } from '../record/topic.js'
import { Accumulator } from './accumulator.js'
import { Admission } from './admission.js'
import { type ConditionalReceipt, ConditionalSends } from './conditional/conditional-sends.js'
import { isConditional } from './conditional/conditions.js'
import { TransactionConditions } from './conditional/transaction-conditions.js'
import { IdleTopics } from './idle-topics.js'
import { type ProducerOptions, type ProducerSettings, producerSettings } from './options.js'
import type { PartitionQueue } from './partition-queue.js'
import { StickyPartitioner } from './partitioner.js'
import { type PendingAppend, PendingRecord, PendingRecords } from './pending-append.js'
import type { ProducerBatch } from './producer-batch.js'
import { type ProducerEvents, producerEvents } from './producer-events.js'
import { ProducerIdentity } from './producer-identity.js'
import type { ProducerParts } from './producer-parts.js'
import { nameOf, type ProducerRecordOf } from './producer-record.js'
import { BatchReceipt, type RecordMetadata, RecordReceipt, type SendBatchResult } from './receipt.js'
import { expectRecords, expectSendOptions, type SendOptions } from './send-options.js'
import { Sender } from './sender.js'
import { progress, TopicWriter } from './topic-writer.js'
import { Transaction, type TransactionCallOptions } from './transaction.js'
import { type TransactionalSends, TransactionCalls } from './transaction-calls.js'
import { Transactions } from './transactions.js'

export interface ProducerCloseOptions {
  /** Milliseconds to go on delivering; what is left then fails with CLOSED. Default: 30000. */
  readonly timeoutMs?: number
}

/**
 * Sends records to topics. Records are encoded at once into one open batch per partition; all that is sent in one synchronous stretch goes
 * together. Within a partition the order of sending is the order in the log, whatever fails and is tried again in between.
 *
 * ```ts
 * await using producer = cluster.producer({ compression: 'lz4' })
 * const { partition, offset } = await producer.send('orders', { key: 'c-7', value: JSON.stringify(order) })
 * await producer.sendBatch('orders', orders.map(order => ({ key: order.customer, value: JSON.stringify(order) })))
 * ```
 *
 * The fate of every record is known: `send` and `sendBatch` resolve once it is in the log, or reject. A request whose response got lost is tried again, and
 * the partition tells records that come twice, so that each is in the log once (see `enableIdempotence`). Mistakes in a call (`TypeError`), and what befalls records (`KafkaError`), are rejections both.
 *
 * Events, for those who watch rather than await: `delivered`, `failed` and `retry` for each batch, and `closed`.
 *
 * Size: it has one field for each part of a producer, and puts them together.
 */
export class Producer extends Emitter<ProducerEvents> implements AsyncDisposable {
  readonly #settings: ProducerSettings
  readonly #clock: Clock
  readonly #random: Random
  readonly #brokers: Brokers
  readonly #metadata: MetadataCache
  readonly #accumulator: Accumulator
  readonly #admission: Admission
  readonly #sender: Sender
  readonly #transactions: Transactions | undefined
  readonly #calls: TransactionCalls | undefined
  readonly #writers = new Map<string, TopicWriter>()
  readonly #idleTopics: IdleTopics
  /** The one that was asked for last; most sends go to the same topic as the one before. */
  #lastWriter: TopicWriter | undefined
  #lastTopic: AnyTopic | string | undefined
  readonly #stretch: Stretch
  #conditional: ConditionalSends | undefined
  #lookAgainAt: number
  #deadline: Deadline | undefined
  #closing: Promise<void> | undefined

  constructor(parts: ProducerParts, options: ProducerOptions = {}) {
    super(producerEvents)
    expectFunctions('parts.brokers', parts?.brokers, ['any', 'byId'], 'brokers (`cluster.producer()` brings them along)')
    const clock = guardedClock(parts.clock)
    const random = guardedRandom(parts.random)
    const settings = producerSettings(options)
    const { brokers, memory } = parts
    this.#settings = settings
    this.#clock = clock
    this.#random = random
    this.#brokers = brokers
    this.#metadata = parts.metadata ?? new MetadataCache(brokers, { ...settings, clock, random })
    this.#idleTopics = new IdleTopics(settings.metadataMaxIdleMs)
    this.#lookAgainAt = clock.monotonic() + this.#lookIntervalMs
    const metadata = this.#metadata
    const { enableIdempotence, requestTimeoutMs } = settings
    const backoff = new Backoff(clock, random, settings)
    const isWanted = () => this.#accumulator.hasUnsettled
    const { transactionalId, transactionTimeoutMs, deliveryTimeoutMs: patienceMs } = settings
    const coordinators = new CoordinatorCache(brokers)
    const shared = { brokers, clock, backoff, requestTimeoutMs }
    this.#transactions =
      transactionalId === null
        ? undefined
        : new Transactions({ ...shared, transactionalId, transactionTimeoutMs, coordinators, patienceMs })
    this.#calls = this.#transactions && new TransactionCalls(this.#transactions, this.#transactionalSends(this.#transactions))
    const identity = this.#transactions ?? (enableIdempotence ? new ProducerIdentity({ ...shared, isWanted }) : undefined)
    const accumulator = new Accumulator({
      ...settings,
      ...(identity && { identity }),
      clock,
      memory,
      onReady: () => this.#sender.schedule()
    })
    this.#accumulator = accumulator
    const { heldBecause } = parts
    const turns = turnsOf(clock)
    this.#stretch = new Stretch(turns)
    const admission = {
      ...settings,
      turns,
      stretch: this.#stretch,
      clock,
      brokers,
      metadata,
      accumulator,
      stuckBeside: () => this.#conditional?.stuck() ?? [],
      ...(heldBecause && { heldBecause })
    }
    this.#admission = new Admission(admission)
    const listener = {
      onDelivered: (queue: PartitionQueue, batch: ProducerBatch, baseOffset: number) => this.#onDelivered(queue, batch, baseOffset),
      onFailed: (queue: PartitionQueue, batch: ProducerBatch, error: unknown) => this.#onFailed(queue, batch, error),
      onRetry: (queue: PartitionQueue, batch: ProducerBatch, error: unknown, delayMs: number) =>
        this.#onRetry(queue, batch, error, delayMs),
      onReleased: () => this.#admission.feed(),
      onTurn: (now: number) => this.#keepFresh(now)
    }
    this.#sender = new Sender({ settings, clock, random, brokers, metadata, accumulator, identity, listener })
  }

  /**
   * Sends one record; its bytes may be changed or transferred once the call has returned. Resolves with its place once the log has it. Rejects with a `TypeError` for a record that is malformed, and with a
   * `KafkaError`: MESSAGE_TOO_LARGE, UNKNOWN_TOPIC_OR_PARTITION, SERIALIZATION, CLOSED, REQUEST_TIMED_OUT (the buffer was full for
   * `maxBlockMs`, or delivery took longer than `deliveryTimeoutMs`), KAFKA_STORAGE_ERROR (likewise, while the broker could not write: its disk is full, for
   * instance, as the message says), or what the broker said.
   *
   * With `ifKeyAt`, `ifKeysAt` or `ifEndAt` the record is written only where the partition still is as the caller has read it; otherwise the call rejects with
   * CONFLICT, a `ConflictError` that says what is there now. Such a send goes at once, whatever `lingerMs` and `acks` are, and in no order with others. Only
   * clusters of this library can decide it; others refuse it with UNSUPPORTED_VERSION.
   */
  send<const T extends AnyTopic | string>(
    topic: T,
    record: ProducerRecordOf<T>,
    options?: SendOptions<SendableOf<KeyOf<T>>>
  ): Promise<RecordMetadata> {
    if (options !== undefined && isConditional(options)) return this.#sendOnCondition(topic, record, options)
    return new Promise((resolve, reject) => {
      const writer = this.#writerFor(topic, options)
      const name = writer.topic
      const receipt = new RecordReceipt(name, resolve, reject)
      const known = this.#admission.isOpen(writer) ? this.#metadata.topic(name) : undefined
      if (known && writer.append(topic, record, known, false, this.#sender.now(), receipt, 0) === progress.appended) return
      this.#admission.enter(writer, new PendingRecord(topic, record, receipt, options?.signal))
    })
  }

  /**
   * Sends many records with one promise, at next to no cost per record. They may be more than the buffer holds: the rest then waits for room,
   * so leave the list, and the bytes in it, alone until the promise settles; from an iterable, records are taken as room is found. Resolves with where they went.
   *
   * If a record fails, or is refused, rejects with a `SendBatchError` that says which were delivered and which were not; those before a refused
   * one are still delivered, those after it are not sent. Rejects with the plain error when nothing had been handed over.
   *
   * On a condition (`ifKeyAt`, `ifKeysAt`, `ifEndAt`; see `send`) all records are one batch of one partition: all of them are written, or none.
   */
  sendBatch<const T extends AnyTopic | string>(
    topic: T,
    records: Iterable<ProducerRecordOf<T>>,
    options?: SendOptions<SendableOf<KeyOf<T>>>
  ): Promise<SendBatchResult> {
    if (options !== undefined && isConditional(options)) return this.#sendBatchOnCondition(topic, records, options)
    try {
      const writer = this.#writerFor(topic, options)
      const name = writer.topic
      expectRecords(records)
      const receipt = new BatchReceipt(name, Array.isArray(records) ? records.length : undefined)
      const append = new PendingRecords(topic, records, receipt, options?.signal)
      this.#admit(append, writer)
      return receipt.promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Runs `work` in a transaction: commits when it returns, and aborts when it throws or a record was not delivered; the call then rejects with that. Needs a
   * `transactionalId`. One transaction is open at a time.
   *
   * ```ts
   * await using producer = cluster.producer({ transactionalId: 'transfers' })
   * await producer.transaction(async transaction => {
   *   await transaction.send('accounts', { key: 'ann', value: '-5' })
   *   await transaction.send('accounts', { key: 'bob', value: '+5' })
   * })
   * ```
   *
   * Rejects with INVALID_TXN_STATE while another one is open, PRODUCER_FENCED where another producer has the id, and UNSUPPORTED_VERSION where the cluster has no
   * transactions of version 2 (KIP-890).
   */
  async transaction<R>(work: (transaction: Transaction) => R | Promise<R>, options: TransactionCallOptions = {}): Promise<R> {
    if (typeof work !== 'function') throw new TypeError(`Expected \`work\` to be a function, got ${shown(work)}`)
    const transaction = await this.begin(options)
    let result: R
    try {
      result = await work(transaction)
    } catch (error) {
      // The first failure counts.
      await transaction.abort(options).catch(() => {})
      throw error
    }
    await transaction.commit(options)
    return result
  }

  /** Begins a transaction, for those who end it themselves. Rejects as `transaction` does. */
  async begin(options: TransactionCallOptions = {}): Promise<Transaction> {
    expectOptions('begin', options, signalOnly)
    const transactions = this.#transactions
    if (!transactions) throw new TypeError('Expected a producer with a `transactionalId`, to begin a transaction')
    if (this.#closing) throw new KafkaError('CLOSED', 'The producer is closed')
    await transactions.begin(options.signal)
    for (const queue of this.#accumulator.queues()) queue.beginTransaction()
    return new Transaction(this.#calls as TransactionCalls, transactions.number)
  }

  /**
   * Sends what is waiting, without lingering, and resolves once the fate of all records sent before is known; it is told by their own
   * promises. Rejects only with the signal's reason.
   */
  async flush(options: Pick<SendOptions, 'signal'> = {}): Promise<void> {
    expectOptions('flush', options, { signal: expectSignal })
    const { signal } = options
    signal?.throwIfAborted()
    this.#accumulator.hurry()
    try {
      await abortable(this.#settled(), signal)
    } finally {
      this.#accumulator.relax()
    }
  }

  /**
   * Delivers what has been sent, then stops. From the call on, `send` is refused with CLOSED; nothing lingers, and what waits for another try is tried at
   * once. Calling it again waits for the same end, and may bring it forward.
   */
  close(options: ProducerCloseOptions = {}): Promise<void> {
    let timeoutMs: number
    try {
      timeoutMs = closeTimeoutMs(options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#deadline) this.#deadline.limitTo(timeoutMs)
    else this.#deadline = new Deadline(this.#clock, timeoutMs)
    this.#closing ??= this.#close(this.#deadline)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(deadline: Deadline): Promise<void> {
    const error = new KafkaError('CLOSED', 'The producer was closed before the record was delivered')
    if (this.#transactions?.isBeginning) this.#transactions.stop(new KafkaError('CLOSED', 'The producer is closed'))
    this.#admission.lookNow()
    this.#sender.sendNow()
    await this.flush({ signal: deadline.signal }).catch(() => {})
    if (this.#transactions?.isOpen) await this.#abortOpen(this.#transactions, deadline.signal)
    else await this.#transactions?.turned(deadline.signal).catch(() => {})
    this.#transactions?.stop(new KafkaError('CLOSED', 'The producer was closed before the transaction had ended'))
    this.#admission.refuseAll(error)
    this.#sender.stop(error)
    this.#conditional?.stop(error)
    this.#calls?.stop(error)
    try {
      await lastStep(this.#closeBrokers(), this.#clock, deadline, 'The producer')
    } finally {
      deadline.end()
      this.emit('closed')
    }
  }

  #sendOnCondition<T extends AnyTopic | string>(topic: T, record: ProducerRecordOf<T>, options: SendOptions): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => {
      const writer = this.#writerFor(topic, options)
      const delivered = ({ partition, baseOffset, timestamps }: ConditionalReceipt) =>
        resolve({ topic: writer.topic, partition, offset: baseOffset, timestamp: timestamps[0] })
      this.#admit(this.#conditionalSends().prepare(topic, [record], options, delivered, this.#closedInstead(reject)), writer)
    })
  }

  #sendBatchOnCondition<T extends AnyTopic | string>(
    topic: T,
    records: Iterable<ProducerRecordOf<T>>,
    options: SendOptions
  ): Promise<SendBatchResult> {
    return new Promise((resolve, reject) => {
      const writer = this.#writerFor(topic, options)
      expectRecords(records)
      const delivered = ({ partition, baseOffset, timestamps }: ConditionalReceipt) => {
        const count = timestamps.length
        const timestamp = timestamps.reduce((latest, each) => Math.max(latest, each), -1)
        resolve({ topic: writer.topic, count, ranges: [{ partition, baseOffset, count, timestamp }] })
      }
      this.#admit(this.#conditionalSends().prepare(topic, records, options, delivered, this.#closedInstead(reject)), writer)
    })
  }

  #conditionalSends(): ConditionalSends {
    this.#conditional ??= new ConditionalSends({
      settings: this.#settings,
      clock: this.#clock,
      random: this.#random,
      brokers: this.#brokers,
      metadata: this.#metadata,
      accumulator: this.#accumulator,
      onReleased: () => this.#admission.feed(),
      onDelivered: (topic, partition, baseOffset, recordCount, sizeInBytes) => {
        if (this.listenerCount('delivered') > 0) this.emit('delivered', { topic, partition, baseOffset, recordCount, sizeInBytes })
      },
      onFailed: (topic, partition, recordCount, error) => {
        if (this.listenerCount('failed') > 0) this.emit('failed', { topic, partition, recordCount, error })
      }
    })
    return this.#conditional
  }

  #transactionalSends(transactions: Transactions): TransactionalSends {
    return {
      send: (topic, record, options) => this.send(topic, record, options),
      sendBatch: (topic, records, options) => this.sendBatch(topic, records, options),
      flush: options => this.flush(options),
      writerFor: (topic, options) => this.#writerFor(topic, options),
      admit: (append, writer) => this.#admit(append, writer),
      newConditions: () =>
        new TransactionConditions({
          settings: this.#settings,
          clock: this.#clock,
          random: this.#random,
          metadata: this.#metadata,
          accumulator: this.#accumulator,
          transactions,
          onReleased: () => this.#admission.feed()
        })
    }
  }

  async #abortOpen(transactions: Transactions, signal: AbortSignal): Promise<void> {
    transactions.close(transactions.number)
    // The next producer of the id, or the end of its time, aborts it otherwise.
    await transactions.end(false, signal).catch(() => {})
  }

  async #closeBrokers(): Promise<void> {
    await this.#brokers.close?.()
  }

  /** The writer of the topic, after the checks that precede all records. */
  #writerFor(topic: AnyTopic | string, options: SendOptions | undefined): TopicWriter {
    if (this.#closing && !this.#calls?.isTaken) throw new KafkaError('CLOSED', 'The producer is closed')
    if (this.#calls !== undefined && !this.#calls.isCalling)
      throw new KafkaError(
        'INVALID_TXN_STATE',
        'A producer with a `transactionalId` sends in transactions: `producer.transaction(tx => tx.send(…))`'
      )
    if (options !== undefined) {
      expectSendOptions(options)
      options.signal?.throwIfAborted()
    }
    if (topic === this.#lastTopic && this.#lastWriter !== undefined) return this.#lastWriter
    const writer = this.#writers.get(typeof topic === 'string' ? topic : topic?.name) ?? this.#newWriter(topic)
    if (typeof topic !== 'string') compareWithDescription(topic, this.#brokers, this.#metadata)
    this.#lastTopic = topic
    this.#lastWriter = writer
    return writer
  }

  /**
   * A conditional send whose topic is not found while the producer ends was not refused: the
   * producer ended first.
   */
  #closedInstead(reject: (error: unknown) => void): (error: unknown) => void {
    return error => {
      const isMissing = error instanceof KafkaError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION'
      if (!isMissing || !this.#closing) return reject(error)
      reject(new KafkaError('CLOSED', `The producer was closed before the topic was found: ${error.message}`, { cause: error }))
    }
  }

  /** Appends what can be appended now; the rest waits for room, or for the topic to be found. */
  #admit(append: PendingAppend, writer: TopicWriter): void {
    const known = this.#admission.isOpen(writer) ? this.#metadata.topic(writer.topic) : undefined
    if (!known || !this.#run(append, writer, known)) this.#admission.enter(writer, append)
  }

  /** Appends what can be appended now; false when something is left. */
  #run(append: PendingAppend, writer: TopicWriter, known: NonNullable<ReturnType<MetadataCache['topic']>>): boolean {
    try {
      return append.run(writer, known, datesOf(this.#clock).now(), this.#stretch) === progress.appended
    } catch (error) {
      append.refuse(error)
      return true
    }
  }

  #newWriter(given: AnyTopic | string): TopicWriter {
    expectTopic('topic', given, 'serialize')
    const topic = nameOf(given)
    const { partitioner, maxRequestSize, batchSize } = this.#settings
    const sticky = new StickyPartitioner(this.#random, batchSize)
    const writer = new TopicWriter(topic, { accumulator: this.#accumulator, sticky, partitioner, maxRequestSize })
    this.#writers.set(topic, writer)
    return writer
  }

  get #lookIntervalMs(): number {
    return Math.min(this.#settings.metadataMaxAgeMs, this.#settings.metadataMaxIdleMs)
  }

  /**
   * Now and then, forgets topics that nothing is sent to, and asks in the background whether topics
   * have got more partitions.
   */
  #keepFresh(now: number): void {
    if (now < this.#lookAgainAt) return
    this.#lookAgainAt = now + this.#lookIntervalMs
    for (const topic of this.#idleTopics.find(this.#writers.keys(), name => this.#accumulator.queuesOf(name), now)) {
      this.#writers.delete(topic)
      if (this.#lastWriter?.topic === topic) this.#lastTopic = this.#lastWriter = undefined
    }
    const found = this.#metadata.ensure([...this.#writers.keys()], { allowAutoTopicCreation: false })
    // Nobody waits for it; a send that cannot do without will ask again, and be told.
    if (isPromise(found)) found.catch(() => {})
  }

  /** Resolves when the fate of all that was sent up to now is known. */
  async #settled(): Promise<void> {
    const waiting = Promise.all([this.#admission.drained(), this.#conditional?.drained(), this.#calls?.drained()])
    this.#accumulator.closeAll()
    await waiting
    const batches: ProducerBatch[] = []
    for (const queue of this.#accumulator.queues()) batches.push(...queue.unsettled())
    this.#accumulator.closeAll()
    await Promise.all(batches.map(batch => batch.whenSettled()))
  }

  #onDelivered({ topic, partition }: PartitionQueue, batch: ProducerBatch, baseOffset: number): void {
    this.#transactions?.delivered()
    if (this.listenerCount('delivered') === 0) return
    const { recordCount, sizeInBytes } = batch
    this.emit('delivered', { topic, partition, baseOffset, recordCount, sizeInBytes })
  }

  #onFailed({ topic, partition }: PartitionQueue, { recordCount }: ProducerBatch, error: unknown): void {
    this.#transactions?.failed(error)
    if (this.listenerCount('failed') > 0) this.emit('failed', { topic, partition, recordCount, error })
  }

  #onRetry({ topic, partition }: PartitionQueue, { recordCount, attempts }: ProducerBatch, error: unknown, delayMs: number): void {
    if (this.listenerCount('retry') > 0) this.emit('retry', { topic, partition, recordCount, error, attempts, delayMs })
  }

  protected override errorArgs(error: unknown): Parameters<ProducerEvents['error']> {
    return [error]
  }
}

const signalOnly = { signal: expectSignal }
