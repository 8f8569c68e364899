import { KafkaError } from '../../errors.js'
import { headerBytes } from '../../record/batch-header.js'
import type { AnyTopic } from '../../record/topic.js'
import type { Accumulator } from '../accumulator.js'
import type { ProducerSettings } from '../options.js'
import type { PendingAppend } from '../pending-append.js'
import { type EncodedRecord, nameOf } from '../producer-record.js'
import { exactSize, type KnownPartitions, type Progress, progress, sizeLimit, type TopicWriter } from '../topic-writer.js'
import { conditionBytes, type EncodedCondition } from './conditions.js'

export interface PendingConditionalParts {
  readonly settings: ProducerSettings
  readonly accumulator: Accumulator
}

/**
 * Records with conditions, which wait for room and for their topic as others do before they are
 * handed over.
 */
export abstract class PendingConditional implements PendingAppend {
  readonly topic: AnyTopic | string
  readonly records: readonly EncodedRecord[]
  readonly keys: readonly EncodedCondition[]
  readonly signal: AbortSignal | undefined
  /** At most, in a batch. */
  readonly sizeInBytes: number
  readonly appendedCount = 0
  isFresh = false
  readonly #accumulator: Accumulator
  readonly #heldBytes: number

  /** Throws MESSAGE_TOO_LARGE for records that cannot be one batch. */
  constructor(
    { settings, accumulator }: PendingConditionalParts,
    topic: AnyTopic | string,
    records: readonly EncodedRecord[],
    keys: readonly EncodedCondition[],
    signal: AbortSignal | undefined
  ) {
    this.topic = topic
    this.records = records
    this.keys = keys
    this.signal = signal
    this.sizeInBytes = sizeOf(records)
    this.#accumulator = accumulator
    this.#heldBytes = this.sizeInBytes + conditionBytes(keys)
    const { name, bytes } = sizeLimit(accumulator, settings.maxRequestSize)
    if (this.sizeInBytes > bytes) throw tooLarge(nameOf(topic), this.sizeInBytes, name, bytes)
  }

  run(_: TopicWriter, known: KnownPartitions, now: number): Progress {
    const accumulator = this.#accumulator
    if (!accumulator.hasRoomFor(this.#heldBytes)) {
      accumulator.measure(nameOf(this.topic))
      if (!accumulator.hasRoomFor(this.#heldBytes)) return progress.needsMemory
    }
    if (!this.handOver(known.partitions.length, now)) return progress.needsMetadata
    accumulator.hold(this.#heldBytes)
    return progress.appended
  }

  /**
   * Hands the records over. Returns false where more must be known of the topic; `isFresh` says
   * that asking again is of no use. Throws what is wrong with them.
   */
  protected abstract handOver(partitionCount: number, now: number): boolean

  abstract refuse(error: unknown): void

  /** The records that were handed over take no more room. */
  protected free(): void {
    this.#accumulator.free(this.#heldBytes)
  }
}

function tooLarge(topic: string, size: number, option: string, limit: number): KafkaError {
  return new KafkaError(
    'MESSAGE_TOO_LARGE',
    `The records of a conditional send to \`${topic}\` take up to ${size} bytes, more than the ${limit} that \`${option}\` allows: they are one batch`,
    { topic }
  )
}

function sizeOf(records: readonly EncodedRecord[]): number {
  let size = headerBytes
  for (const { key, value, headers } of records) size += exactSize(key, value, headers)
  return size
}
