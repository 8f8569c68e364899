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
import { type AnyRecord, checkTimestamp, type EncodedRecord, encodedRecord, nameOf } from '../producer-record.js'
import type { ConditionalSend } from './conditional-append-call.js'
import { ConditionalQueue } from './conditional-queue.js'
import { keyConditions, noPartition, partitionFor, type SendConditions } from './conditions.js'
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

/** What has been sent since the last flush began, and is not answered. */
interface Generation {
  open: number
  done: Deferred<void> | undefined
}

/** The conditional sends of one producer. They go their own way, beside its other records: those wait for no answer of them, nor they for those. */
export class ConditionalSends {
  readonly #parts: ConditionalSendsParts
  readonly #backoff: Backoff
  readonly #ending = new AbortController()
  /** By topic, then by partition. */
  readonly #queues = new Map<string, (ConditionalQueue | undefined)[]>()
  #generation: Generation = { open: 0, done: undefined }
  /** Generations before it that are not answered. */
  readonly #earlier = new Set<Generation>()

  constructor(parts: ConditionalSendsParts) {
    this.#parts = parts
    this.#backoff = new Backoff(parts.clock, parts.random, parts.settings)
  }

  /**
   * Records that are to be one batch, which is written whole where its conditions hold, and otherwise not at all. Throws what is wrong with the call; what
   * becomes of the records is told to `delivered` or `refused`.
   */
  prepare(
    topic: AnyTopic | string,
    given: Iterable<AnyRecord>,
    conditions: SendConditions & { readonly signal?: AbortSignal },
    delivered: (receipt: ConditionalReceipt) => void,
    refused: (error: unknown) => void
  ): PendingAppend {
    const records: EncodedRecord[] = []
    for (const record of given) {
      records.push(encodedRecord(topic, record))
      if (record.timestamp !== undefined) checkTimestamp(topic, record.timestamp)
    }
    if (records.length === 0) throw new TypeError('Expected at least one record to be sent on a condition')
    const name = nameOf(topic)
    const generation = this.#generation
    const keys = keyConditions(topic, records, conditions)
    const { signal, ifEndAt: endOffset = -1 } = conditions
    const refuse = (error: unknown) => {
      this.#ended(generation)
      refused(error)
    }
    const { settings, clock, accumulator } = this.#parts
    const enter = (partitionCount: number, isFresh: boolean, now: number, sizeInBytes: number, free: () => void) => {
      const partition = partitionFor(name, records, keys, partitionCount, settings.partitioner)
      if (partition >= partitionCount && !isFresh) return false
      if (partition >= partitionCount) throw noPartition(name, partition, partitionCount)
      const timestamps = records.map(({ record }) => record.timestamp ?? now)
      let unlisten: (() => void) | undefined
      const send: ConditionalSend = {
        records,
        timestamps,
        keys,
        endOffset,
        sizeInBytes,
        deadline: clock.monotonic() + settings.deliveryTimeoutMs,
        resolve: (baseOffset, logAppendTimeMs) => {
          unlisten?.()
          free()
          this.#ended(generation)
          delivered({ partition, baseOffset, timestamps: logAppendTimeMs >= 0 ? timestamps.map(() => logAppendTimeMs) : timestamps })
        },
        reject: error => {
          unlisten?.()
          free()
          refuse(error)
        }
      }
      const queue = this.#queueOf(name, partition)
      if (signal) unlisten = onAbort(signal, () => queue.withdraw(send) && send.reject(signal.reason))
      queue.add(send)
      return true
    }
    const pending = new PendingConditional({ topic, records, keys, signal, settings, accumulator, enter, refused: refuse })
    generation.open++
    return pending
  }

  /** Resolves when all that was sent up to now is answered. */
  async drained(): Promise<void> {
    if (this.#generation.open > 0) {
      this.#earlier.add(this.#generation)
      this.#generation = { open: 0, done: undefined }
    }
    await Promise.all(Array.from(this.#earlier, generation => (generation.done ??= deferred()).promise))
  }

  /** The partitions that have sends which are not delivered, with the last error of each. */
  *stuck(): Generator<StuckPartition> {
    for (const queues of this.#queues.values()) for (const queue of queues) if (queue?.isBusy) yield queue
  }

  /** Stops for good: what is not delivered is given up with this error. */
  stop(error: KafkaError): void {
    this.#ending.abort(error)
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

  #ended(generation: Generation): void {
    generation.open--
    if (generation.open > 0 || !this.#earlier.delete(generation)) return
    generation.done?.resolve()
  }
}
