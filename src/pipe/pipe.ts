import type { TopicPartition } from '../assignor/assignor.js'
import { onAbort } from '../common/abort.js'
import { CallMark } from '../common/call-mark.js'
import type { Clock } from '../common/clock.js'
import { type CloseOptions, closeTimeoutMs, Deadline, firstShareMs, lastStep } from '../common/closing.js'
import { abortable } from '../common/deferred.js'
import { Emitter } from '../common/emitter.js'
import { murmur2Text } from '../common/murmur2.js'
import { expectFunctions, expectOptions, expectSignal } from '../common/options.js'
import type { Random } from '../common/random.js'
import { randomUuid } from '../common/uuid.js'
import { reasonOf, Warnings } from '../common/warnings.js'
import type { Consumer, PartitionLag } from '../consumer/consumer.js'
import type { ConsumerOptions, RecordOf } from '../consumer/consumer-options.js'
import type { RejectedRecord } from '../consumer/rejection.js'
import type { HandlerContext } from '../consumer/run/run-options.js'
import type { TopicSelector } from '../consumer/source/subscription.js'
import { KafkaError } from '../errors.js'
import { type ProducerOptions, producerSettings } from '../producer/options.js'
import type { Producer } from '../producer/producer.js'
import type { Brokers } from '../protocol/broker.js'
import type { AnyTopic } from '../record/topic.js'
import { Lane } from './lane.js'
import { leaveGroup } from './leave-group.js'
import { type PipeOptions, type PipeSettings, pipeSettings } from './pipe-options.js'
import { type PipedBatch, Transformation } from './transformation.js'

/** The parts that a pipe is made of; `cluster.pipe()` provides them. */
export interface PipeParts {
  readonly clock: Clock
  readonly random: Random
  readonly brokers: Brokers
  readonly newConsumer: (options: ConsumerOptions<TopicSelector, unknown, unknown>) => Consumer<TopicSelector, unknown, unknown>
  readonly newProducer: (options: ProducerOptions) => Producer
  /** A lasting name among the pipes of the group, where this process has all of the cluster. */
  readonly instanceId?: string | undefined
  readonly onClosed: () => void
}

/** A transaction was committed. */
export interface PipeCommitted {
  /** Records of the input. */
  readonly records: number
  /** Records that were sent. */
  readonly outputs: number
}

/** A transaction was aborted, or it is not known how it ended, and its records are tried again. */
export interface PipeRetry {
  readonly error: unknown
  /** The number of tries that have failed since the last success. */
  readonly attempts: number
  /** Milliseconds until the next try. */
  readonly delayMs: number
}

/**
 * The events of a pipe. None is emitted per record, except for records that could not be
 * transformed.
 */
export interface PipeEvents {
  committed: (event: PipeCommitted) => void
  retry: (event: PipeRetry) => void
  /** A record could not be decoded, or is not valid. */
  rejected: (event: RejectedRecord) => void
  /**
   * A record was given up, with what it failed with. Emitted again where its transaction is tried
   * again.
   */
  deadLetter: (event: { readonly record: RecordOf<TopicSelector, unknown, unknown> | RejectedRecord; readonly error: unknown }) => void
  /**
   * Something failed and is tried again, or a listener threw. Where nobody listens, the process
   * warns once of each.
   */
  error: (error: unknown) => void
  closed: () => void
}

const pipeEvents = Object.keys({
  committed: true,
  retry: true,
  rejected: true,
  deadLetter: true,
  error: true,
  closed: true
} satisfies Record<keyof PipeEvents, true>)

/** The most partitions of which a pipe has a batch in hand. */
const mostInHand = 10_000
const signalOnly = { signal: expectSignal }

/**
 * Reads topics, transforms their records and writes what comes of it to others, exactly once: what
 * was read and what was written are one transaction (KIP-447), so that a pipe that is killed, or
 * loses its partitions to another, goes on where the last transaction ended. Whoever reads the
 * output at `read_committed` sees what was made of each record once.
 *
 * ```ts
 * await using pipe = cluster.pipe({
 *   from: orders,
 *   to: invoices,
 *   groupId: 'invoicing',
 *   transform: order => ({ key: order.key, value: invoiceFor(order.value) })
 * })
 * await pipe.run()
 * ```
 *
 * It works on a cluster in this process and, through `connect`, on Apache Kafka 4.0 and newer. A
 * transaction has what is there, of all partitions of one of its `concurrency` producers, up to its
 * limits. While producers are held back, or `transform` takes its time, the pipe reads no further.
 */
export class Pipe<F extends TopicSelector = TopicSelector, T extends AnyTopic | string = AnyTopic | string, K = Uint8Array, V = Uint8Array>
  extends Emitter<PipeEvents>
  implements AsyncDisposable
{
  readonly #parts: PipeParts
  readonly #settings: PipeSettings
  readonly #consumer: Consumer<TopicSelector, unknown, unknown>
  /** The name of each producer begins with it. */
  readonly #name: string
  readonly #mark = new CallMark(this)
  readonly #givingUp = new AbortController()
  readonly #warnings = new Warnings()
  #running: Promise<void> | undefined
  #deadline: Deadline | undefined
  #closing: Promise<void> | undefined

  /** Use `cluster.pipe(options)`. */
  constructor(parts: PipeParts, options: PipeOptions<F, T, K, V>) {
    super(pipeEvents)
    expectFunctions('parts', parts, ['newConsumer', 'newProducer'], 'what a pipe is made of (`cluster.pipe()` brings it along)')
    const settings = pipeSettings(options)
    producerSettings(settings.producer)
    const { groupId, instanceId = parts.instanceId, maxTransactionRecords, from, autoOffsetReset, key, value } = settings
    this.#parts = parts
    this.#settings = settings
    this.#name = `pipe-${groupId}-${instanceId ?? randomUuid(parts.random)}`
    this.#consumer = parts.newConsumer({
      ...settings.consumer,
      topics: from,
      groupId,
      ...(instanceId !== undefined && { groupInstanceId: memberNameOf(instanceId) }),
      ...(key !== undefined && { key }),
      ...(value !== undefined && { value }),
      autoOffsetReset,
      autoCommit: false,
      isolationLevel: 'read_committed',
      maxPollRecords: maxTransactionRecords
    })
    this.#consumer.on('error', error => this.#trouble(error))
  }

  /**
   * Moves records until the pipe is closed. Rejects where a record cannot be transformed and there
   * is no `deadLetter`, or the cluster refuses what no other try mends: everything before that is
   * committed, and `run` may be called again.
   */
  async run(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    expectOptions('run', options, signalOnly)
    if (this.#closing) throw new KafkaError('CLOSED', 'The pipe is closed')
    if (this.#running) throw new TypeError('This pipe is running already')
    this.#running = this.#run(options.signal).finally(() => {
      this.#running = undefined
    })
    await this.#running
  }

  /** The partitions that this pipe reads at present. */
  assignment(): TopicPartition[] {
    return this.#consumer.assignment()
  }

  /**
   * The records that are yet to be read of each of its partitions; those in hand are not among
   * them.
   */
  lag(): Promise<PartitionLag[]> {
    return this.#consumer.lag()
  }

  /**
   * Finishes the records that are being transformed, commits, and ends `run`. What takes longer
   * than `timeoutMs` (default: 30 seconds) is aborted, and comes again when the pipe is started
   * again. Awaited inside of `transform`, for which it waits, it resolves at once. Idempotent;
   * calling it again may bring the end forward.
   */
  close(options: CloseOptions = {}): Promise<void> {
    let timeoutMs: number
    try {
      timeoutMs = closeTimeoutMs(options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#deadline) {
      this.#deadline.limitTo(timeoutMs)
      void this.#consumer.close({ timeoutMs: firstShareMs(timeoutMs, producersShareMs) })
    } else this.#deadline = new Deadline(this.#parts.clock, timeoutMs)
    this.#closing ??= this.#close(this.#deadline)
    if (!CallMark.isInside(owner => owner === this)) return this.#closing
    this.#closing.catch(error => this.tellFailure(error, '`close`'))
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected override errorArgs(error: unknown): Parameters<PipeEvents['error']> {
    return [error]
  }

  async #run(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const stopping = new AbortController()
    const lanes = Array.from({ length: this.#settings.concurrency }, (_, number) => this.#newLane(number, stopping.signal))
    let handlers: AbortSignal | undefined
    const eachBatch = (batch: PipedBatch, context: HandlerContext): Promise<void> => {
      if (handlers === undefined) {
        handlers = context.signal
        onAbort(handlers, () => stopping.abort(context.signal.reason))
      }
      return lanes[laneOf(batch, lanes.length)].take(batch)
    }
    this.#mark.begin()
    try {
      await abortable(Promise.all(lanes.map(lane => lane.start())), signal)
      if (this.#closing) return
      await this.#consumer.run({ eachBatch, concurrency: mostInHand, ...(signal && { signal }) })
    } catch (error) {
      if (error !== this.#givingUp.signal.reason) throw error
    } finally {
      this.#mark.end()
      stopping.abort(new KafkaError('CLOSED', 'The pipe has stopped'))
      const timeoutMs = Math.ceil(this.#deadline?.leftMs ?? laneCloseMs)
      await Promise.all(lanes.map(lane => lane.close(timeoutMs)))
    }
  }

  #newLane(number: number, stopping: AbortSignal): Lane {
    const { clock, random } = this.#parts
    const transformation = new Transformation({
      settings: this.#settings,
      clock,
      random,
      signal: stopping,
      onDeadLetter: (record, error) => this.emit('deadLetter', { record, error }),
      onRejected: record => this.emit('rejected', record)
    })
    return new Lane({
      settings: this.#settings,
      clock,
      random,
      consumer: this.#consumer,
      transformation,
      mark: this.#mark,
      newProducer: () => this.#newProducer(number),
      stopping,
      givingUp: this.#givingUp.signal,
      onCommitted: (records, outputs) => this.emit('committed', { records, outputs }),
      onRetry: (error, attempts, delayMs) => {
        if (!this.emit('retry', { error, attempts, delayMs })) this.#trouble(error)
      }
    })
  }

  #newProducer(number: number): Producer {
    const { transactionTimeoutMs, producer } = this.#settings
    return this.#parts.newProducer({ ...producer, transactionTimeoutMs, transactionalId: `${this.#name}-${number}` })
  }

  #trouble(error: unknown): void {
    if (this.#closing || this.emit('error', error)) return
    this.#warnings.warn(
      `A pipe met an error and tries again: ${reasonOf(error)}`,
      error instanceof KafkaError ? error.code : 'PIPE_ERROR',
      error
    )
  }

  async #close(deadline: Deadline): Promise<void> {
    const { clock, brokers, onClosed } = this.#parts
    const closeBrokers = async () => brokers.close?.()
    try {
      await this.#finish(deadline).finally(() => lastStep(closeBrokers(), clock, deadline, 'The pipe'))
    } finally {
      deadline.end()
      onClosed()
      this.emit('closed')
    }
  }

  async #finish(deadline: Deadline): Promise<void> {
    const { instanceId: own, brokers } = this.#parts
    await this.#consumer.close({ timeoutMs: firstShareMs(deadline.leftMs, producersShareMs) })
    this.#givingUp.abort(new KafkaError('CLOSED', 'The pipe is closed'))
    await this.#running?.catch(() => {})
    // A name that the user gave is kept in the group: the pipe may come back.
    if (own !== undefined && this.#settings.instanceId === undefined)
      await leaveGroup(brokers, this.#settings.groupId, memberNameOf(own), deadline.signal).catch(() => {})
  }
}

/** Milliseconds that the producers have to end when `run` ends by itself. */
const laneCloseMs = 30_000
/** The most milliseconds of the time to close that records in hand leave to the producers. */
const producersShareMs = 1000

function memberNameOf(instanceId: string): string {
  return `pipe-${instanceId}`
}

/** All batches of a partition go the same way. */
function laneOf({ topic, partition }: PipedBatch, count: number): number {
  return ((murmur2Text(topic) >>> 1) + partition) % count
}
