import type { MetadataCache } from '../../client/metadata-cache.js'
import { Backoff } from '../../client/retry.js'
import { onAbort } from '../../common/abort.js'
import type { Clock } from '../../common/clock.js'
import { type Deferred, deferred } from '../../common/deferred.js'
import type { Random } from '../../common/random.js'
import { turnsOf } from '../../common/turns.js'
import type { KafkaError } from '../../errors.js'
import type { Brokers } from '../../protocol/broker.js'
import type { AnyTopic } from '../../record/topic.js'
import type { Accumulator } from '../accumulator.js'
import type { StuckPartition } from '../admission.js'
import type { ProducerSettings } from '../options.js'
import type { PendingAppend } from '../pending-append.js'
import { type AnyRecord, type EncodedRecord, nameOf } from '../producer-record.js'
import type { ConditionalSend } from './conditional-append-call.js'
import { ConditionalQueue } from './conditional-queue.js'
import { encodedRecords, keyConditions, noPartition, partitionFor, type SendConditions } from './conditions.js'
import { PendingConditional } from './pending-conditional.js'

export interface ConditionalSendsParts {
  readonly settings: ProducerSettings
  readonly clock: Clock
  readonly random: Random
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  /** Counts the memory that sends hold. */
  readonly accumulator: Accumulator
  readonly onDelivered: (topic: string, partition: number, baseOffset: number, recordCount: number, sizeInBytes: number) => void
  readonly onFailed: (topic: string, partition: number, recordCount: number, error: unknown) => void
  /** Memory has become free. */
  readonly onReleased: () => void
}

/** The places of the records of a conditional send. */
export interface ConditionalReceipt {
  readonly partition: number
  readonly baseOffset: number
  readonly timestamps: readonly number[]
}

/** Sends since the last flush began that are not answered. */
class Generation {
  #open = 0
  #done: Deferred<void> | undefined

  get isOpen(): boolean {
    return this.#open > 0
  }

  begun(): void {
    this.#open++
  }

  ended(): void {
    if (--this.#open === 0) this.#done?.resolve()
  }

  async over(): Promise<void> {
    if (this.#open === 0) return
    this.#done ??= deferred()
    await this.#done.promise
  }
}

/**
 * A conditional send from its call to its answer. There are many: it is one object, without
 * closures.
 */
class QueuedSend extends PendingConditional implements ConditionalSend {
  readonly endOffset: number
  deadline = 0
  timestamps: readonly number[] = []
  readonly #parts: ConditionalSendsParts
  readonly #sends: ConditionalSends
  readonly #generation: Generation
  readonly #delivered: (receipt: ConditionalReceipt) => void
  readonly #refused: (error: unknown) => void
  #partition = -1
  #unlisten: (() => void) | undefined

  constructor(
    parts: ConditionalSendsParts,
    sends: ConditionalSends,
    generation: Generation,
    topic: AnyTopic | string,
    records: readonly EncodedRecord[],
    conditions: SendConditions & { readonly signal?: AbortSignal },
    delivered: (receipt: ConditionalReceipt) => void,
    refused: (error: unknown) => void
  ) {
    super(parts, topic, records, keyConditions(topic, records, conditions), conditions.signal)
    this.endOffset = conditions.ifEndAt ?? -1
    this.#parts = parts
    this.#sends = sends
    this.#generation = generation
    this.#delivered = delivered
    this.#refused = refused
    generation.begun()
  }

  protected override handOver(partitionCount: number, now: number): boolean {
    const { topic, records, keys, signal } = this
    const { settings, clock } = this.#parts
    const name = nameOf(topic)
    const partition = partitionFor(name, records, keys, partitionCount, settings.partitioner)
    if (partition >= partitionCount && !this.isFresh) return false
    if (partition >= partitionCount) throw noPartition(name, partition, partitionCount)
    this.#partition = partition
    this.timestamps = timestampsOf(records, now)
    this.deadline = clock.monotonic() + settings.deliveryTimeoutMs
    const queue = this.#sends.queueOf(name, partition)
    if (signal) this.#unlisten = onAbort(signal, () => queue.withdraw(this) && this.reject(signal.reason))
    queue.add(this)
    return true
  }

  resolve(baseOffset: number, logAppendTimeMs: number): void {
    this.#answered()
    const timestamps = logAppendTimeMs >= 0 ? this.records.map(() => logAppendTimeMs) : this.timestamps
    this.#delivered({ partition: this.#partition, baseOffset, timestamps })
  }

  reject(error: unknown): void {
    this.#answered()
    this.#refused(error)
  }

  override refuse(error: unknown): void {
    this.#generation.ended()
    this.#refused(error)
  }

  #answered(): void {
    this.#unlisten?.()
    this.free()
    this.#generation.ended()
  }
}

/**
 * The conditional sends of one producer. They go their own way, beside its other records: those
 * wait for no answer of them, nor they for those.
 */
export class ConditionalSends {
  readonly #parts: ConditionalSendsParts
  readonly #backoff: Backoff
  readonly #ending = new AbortController()
  /** By topic, then by partition. */
  readonly #queues = new Map<string, (ConditionalQueue | undefined)[]>()
  #generation = new Generation()
  /** The earlier ones that are not answered. */
  #earlier: Generation[] = []

  constructor(parts: ConditionalSendsParts) {
    this.#parts = parts
    this.#backoff = new Backoff(parts.clock, parts.random, parts.settings)
  }

  /**
   * Records that are to be one batch, which is written whole where its conditions hold, and
   * otherwise not at all. Throws what is wrong with the call; what becomes of the records is told
   * to `delivered` or `refused`.
   */
  prepare(
    topic: AnyTopic | string,
    given: Iterable<AnyRecord>,
    conditions: SendConditions & { readonly signal?: AbortSignal },
    delivered: (receipt: ConditionalReceipt) => void,
    refused: (error: unknown) => void
  ): PendingAppend {
    const records = encodedRecords(topic, given)
    return new QueuedSend(this.#parts, this, this.#generation, topic, records, conditions, delivered, refused)
  }

  /** Resolves when all that was sent up to now is answered. */
  async drained(): Promise<void> {
    this.#earlier = this.#earlier.filter(({ isOpen }) => isOpen)
    if (this.#generation.isOpen) {
      this.#earlier.push(this.#generation)
      this.#generation = new Generation()
    }
    await Promise.all(this.#earlier.map(generation => generation.over()))
  }

  /** The partitions that have sends which are not delivered, with the last error of each. */
  *stuck(): Generator<StuckPartition> {
    for (const queues of this.#queues.values()) for (const queue of queues) if (queue?.isBusy) yield queue
  }

  /** Stops for good: what is not delivered is given up with this error. */
  stop(error: KafkaError): void {
    this.#ending.abort(error)
  }

  /** The queue of a partition; it is made where there is none. */
  queueOf(topic: string, partition: number): ConditionalQueue {
    let queues = this.#queues.get(topic)
    if (!queues) this.#queues.set(topic, (queues = []))
    let queue = queues[partition]
    if (queue) return queue
    const { onDelivered, onFailed, ...parts } = this.#parts
    queue = new ConditionalQueue(topic, partition, {
      ...parts,
      turns: turnsOf(parts.clock),
      backoff: this.#backoff,
      ending: this.#ending.signal,
      onDelivered: (...delivered) => onDelivered(topic, ...delivered),
      onFailed: (...failed) => onFailed(topic, ...failed)
    })
    queues[partition] = queue
    return queue
  }
}

/** The timestamps of records: their own, or else `now`. */
function timestampsOf(records: readonly EncodedRecord[], now: number): number[] {
  const timestamps: number[] = []
  for (const { record } of records) timestamps.push(record.timestamp ?? now)
  return timestamps
}
