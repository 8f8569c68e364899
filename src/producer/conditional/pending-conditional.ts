import { onAbort } from '../../common/abort.js'
import type { Clock } from '../../common/clock.js'
import { KafkaError } from '../../errors.js'
import { headerBytes } from '../../record/batch-header.js'
import type { AnyTopic } from '../../record/topic.js'
import type { Accumulator } from '../accumulator.js'
import type { ProducerSettings } from '../options.js'
import type { PendingAppend } from '../pending-append.js'
import { type EncodedRecord, nameOf } from '../producer-record.js'
import { exactSize, type KnownPartitions, type Progress, progress, type TopicWriter } from '../topic-writer.js'
import type { ConditionalSend } from './conditional-append-call.js'
import { conditionBytes, type EncodedCondition, partitionFor } from './conditions.js'

/** The places of the records of a conditional send. */
export interface ConditionalReceipt {
  readonly partition: number
  readonly baseOffset: number
  readonly timestamps: readonly number[]
}

export interface PendingConditionalParts {
  readonly topic: AnyTopic | string
  readonly records: readonly EncodedRecord[]
  readonly keys: readonly EncodedCondition[]
  /** -1 where the end does not matter. */
  readonly endOffset: number
  readonly signal: AbortSignal | undefined
  readonly settings: ProducerSettings
  readonly clock: Clock
  readonly accumulator: Accumulator
  /** Hands a send to its partition. */
  enter(partition: number, send: ConditionalSend): void
  /** Takes one back; false where it is under way. */
  withdraw(partition: number, send: ConditionalSend): boolean
  delivered(receipt: ConditionalReceipt): void
  refused(error: unknown): void
  /** It is answered, one way or the other. */
  ended(): void
}

/** A conditional send that is not taken in yet: it waits for room and for its topic as others do. */
export class PendingConditional implements PendingAppend {
  readonly topic: AnyTopic | string
  readonly signal: AbortSignal | undefined
  readonly appendedCount = 0
  isFresh = false
  readonly #parts: PendingConditionalParts
  readonly #sizeInBytes: number

  /** Throws MESSAGE_TOO_LARGE for records that cannot be one batch. */
  constructor(parts: PendingConditionalParts) {
    this.topic = parts.topic
    this.signal = parts.signal
    this.#parts = parts
    this.#sizeInBytes = sizeOf(parts.records)
    this.#expectSize()
  }

  run(_: TopicWriter, known: KnownPartitions, now: number): Progress {
    const { topic, records, keys, endOffset, settings, clock, accumulator } = this.#parts
    const name = nameOf(topic)
    const heldBytes = this.#sizeInBytes + conditionBytes(keys)
    if (!accumulator.hasRoomFor(heldBytes)) {
      accumulator.measure(name)
      if (!accumulator.hasRoomFor(heldBytes)) return progress.needsMemory
    }
    const partitionCount = known.partitions.length
    const partition = partitionFor(name, records, keys, partitionCount, settings.partitioner)
    if (partition >= partitionCount) {
      if (!this.isFresh) return progress.needsMetadata
      throw noPartition(name, partition, partitionCount)
    }
    const timestamps = records.map(({ record }) => record.timestamp ?? now)
    const { signal } = this
    let unlisten: (() => void) | undefined
    const over = () => {
      unlisten?.()
      accumulator.free(heldBytes)
    }
    const send: ConditionalSend = {
      records,
      timestamps,
      keys,
      endOffset,
      sizeInBytes: this.#sizeInBytes,
      deadline: clock.monotonic() + settings.deliveryTimeoutMs,
      resolve: (baseOffset, logAppendTimeMs) => {
        over()
        this.#parts.ended()
        this.#parts.delivered({
          partition,
          baseOffset,
          timestamps: logAppendTimeMs >= 0 ? timestamps.map(() => logAppendTimeMs) : timestamps
        })
      },
      reject: error => {
        over()
        this.refuse(error)
      }
    }
    accumulator.hold(heldBytes)
    if (signal) unlisten = onAbort(signal, () => this.#parts.withdraw(partition, send) && send.reject(signal.reason))
    this.#parts.enter(partition, send)
    return progress.appended
  }

  refuse(error: unknown): void {
    this.#parts.ended()
    this.#parts.refused(error)
  }

  #expectSize(): void {
    const { topic, settings, accumulator } = this.#parts
    const isBuffer = accumulator.bufferMemory < settings.maxRequestSize
    const limit = isBuffer ? accumulator.bufferMemory : settings.maxRequestSize
    if (this.#sizeInBytes <= limit) return
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `The records of a conditional send to \`${nameOf(topic)}\` take up to ${this.#sizeInBytes} bytes, more than the ${limit} that \`${isBuffer ? 'bufferMemory' : 'maxRequestSize'}\` allows: they are one batch`,
      { topic: nameOf(topic) }
    )
  }
}

function sizeOf(records: readonly EncodedRecord[]): number {
  let size = headerBytes
  for (const { key, value, headers } of records) size += exactSize(key, value, headers)
  return size
}

function noPartition(topic: string, partition: number, partitionCount: number): KafkaError {
  return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no partition ${partition} in \`${topic}\`, which has ${partitionCount}`, {
    topic,
    partition
  })
}
