import type { MetadataCache } from '../../client/metadata-cache.js'
import { Backoff } from '../../client/retry.js'
import { ensureTopic } from '../../client/topic-creation.js'
import { firstToAbort, onAbort } from '../../common/abort.js'
import type { Clock } from '../../common/clock.js'
import { datesOf } from '../../common/dates.js'
import { type Deferred, deferred } from '../../common/deferred.js'
import type { Random } from '../../common/random.js'
import { turnsOf } from '../../common/turns.js'
import { KafkaError } from '../../errors.js'
import type { Brokers } from '../../protocol/broker.js'
import { BatchBuilder } from '../../record/batch-builder.js'
import { headerBytes } from '../../record/batch-header.js'
import type { AnyTopic } from '../../record/topic.js'
import type { ProducerSettings } from '../options.js'
import { type AnyRecord, checkTimestamp, type EncodedRecord, encodedRecord, nameOf } from '../producer-record.js'
import type { ConditionalSend } from './conditional-append-call.js'
import { ConditionalQueue } from './conditional-queue.js'
import { keyConditions, partitionFor, type SendConditions } from './conditions.js'

export interface ConditionalSendsParts {
  readonly settings: ProducerSettings
  readonly clock: Clock
  readonly random: Random
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly onDelivered: (topic: string, partition: number, baseOffset: number, recordCount: number, sizeInBytes: number) => void
  readonly onFailed: (topic: string, partition: number, recordCount: number, error: unknown) => void
}

/** The places of the records of a conditional send. */
export interface ConditionalReceipt {
  readonly partition: number
  readonly baseOffset: number
  readonly timestamps: readonly number[]
}

/** The conditional sends of one producer. They go their own way, beside its other records: those wait for no answer of them, nor they for those. */
export class ConditionalSends {
  readonly #parts: ConditionalSendsParts
  readonly #backoff: Backoff
  readonly #ending = new AbortController()
  /** By topic, then by partition. */
  readonly #queues = new Map<string, (ConditionalQueue | undefined)[]>()
  /** Calls that have not been answered. */
  #open = 0
  #drained: Deferred<void> | undefined

  constructor(parts: ConditionalSendsParts) {
    this.#parts = parts
    this.#backoff = new Backoff(parts.clock, parts.random, parts.settings)
  }

  /**
   * Sends records as one batch, which is written whole where its conditions hold, and otherwise not at all. Throws what is wrong with the call; what becomes
   * of the records is told to `delivered` or `refused`.
   */
  send(
    topic: AnyTopic | string,
    given: Iterable<AnyRecord>,
    conditions: SendConditions & { readonly signal?: AbortSignal },
    delivered: (receipt: ConditionalReceipt) => void,
    refused: (error: unknown) => void
  ): void {
    const { clock, settings } = this.#parts
    const now = datesOf(clock).now()
    const records: EncodedRecord[] = []
    const timestamps: number[] = []
    for (const record of given) {
      records.push(encodedRecord(topic, record))
      if (record.timestamp !== undefined) checkTimestamp(topic, record.timestamp)
      timestamps.push(record.timestamp ?? now)
    }
    if (records.length === 0) throw new TypeError('Expected at least one record to be sent on a condition')
    const name = nameOf(topic)
    const { signal } = conditions
    let unlisten: (() => void) | undefined
    let partition = -1
    const send: ConditionalSend = {
      records,
      timestamps,
      keys: keyConditions(topic, records, conditions),
      endOffset: conditions.ifEndAt ?? -1,
      sizeInBytes: this.#sizeOf(topic, records),
      deadline: clock.monotonic() + settings.deliveryTimeoutMs,
      resolve: (baseOffset, logAppendTimeMs) => {
        unlisten?.()
        this.#ended()
        delivered({ partition, baseOffset, timestamps: logAppendTimeMs >= 0 ? timestamps.map(() => logAppendTimeMs) : timestamps })
      },
      reject: error => {
        unlisten?.()
        this.#ended()
        refused(error)
      }
    }
    const enter = (partitionCount: number) => {
      partition = partitionFor(name, records, send.keys, partitionCount, settings.partitioner)
      const queue = this.#queueOf(name, partition)
      if (signal) unlisten = onAbort(signal, () => queue.withdraw(send) && send.reject(signal.reason))
      queue.add(send)
    }
    const known = this.#partitionCount(name)
    this.#open++
    if (known === undefined) return void this.#lookUp(topic, signal).then(enter).catch(send.reject)
    try {
      enter(known)
    } catch (error) {
      send.reject(error)
    }
  }

  /** Resolves when all that was sent up to now is answered. */
  async drained(): Promise<void> {
    if (this.#open === 0) return
    this.#drained ??= deferred()
    await this.#drained.promise
  }

  /** Stops for good: what is not delivered is given up with this error. */
  stop(error: KafkaError): void {
    this.#ending.abort(error)
  }

  #partitionCount(topic: string): number | undefined {
    return this.#parts.metadata.topic(topic)?.partitions.length
  }

  async #lookUp(topic: AnyTopic | string, signal: AbortSignal | undefined): Promise<number> {
    const { brokers, metadata, settings } = this.#parts
    const { maxBlockMs, allowAutoTopicCreation } = settings
    const limit = firstToAbort(signal, this.#ending.signal)
    try {
      await ensureTopic(topic, brokers, metadata, { allowAutoTopicCreation, timeoutMs: Math.max(1, maxBlockMs), signal: limit.signal })
    } finally {
      limit.end()
    }
    const found = this.#partitionCount(nameOf(topic))
    if (found === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', undefined, { topic: nameOf(topic) })
    return found
  }

  #sizeOf(topic: AnyTopic | string, records: readonly EncodedRecord[]): number {
    let size = headerBytes
    for (const { key, value, headers } of records) size += BatchBuilder.sizeOf(key, value, headers)
    const { maxRequestSize } = this.#parts.settings
    if (size <= maxRequestSize) return size
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `The records of a conditional send to \`${nameOf(topic)}\` take up to ${size} bytes, more than the ${maxRequestSize} that \`maxRequestSize\` allows: they are one batch`,
      { topic: nameOf(topic) }
    )
  }

  #queueOf(topic: string, partition: number): ConditionalQueue {
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

  #ended(): void {
    this.#open--
    if (this.#open > 0) return
    this.#drained?.resolve()
    this.#drained = undefined
  }
}
