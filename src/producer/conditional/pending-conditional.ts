import { KafkaError } from '../../errors.js'
import { headerBytes } from '../../record/batch-header.js'
import type { AnyTopic } from '../../record/topic.js'
import type { Accumulator } from '../accumulator.js'
import type { ProducerSettings } from '../options.js'
import type { PendingAppend } from '../pending-append.js'
import { type EncodedRecord, nameOf } from '../producer-record.js'
import { exactSize, type KnownPartitions, type Progress, progress, type TopicWriter } from '../topic-writer.js'
import { conditionBytes, type EncodedCondition } from './conditions.js'

export interface PendingConditionalParts {
  readonly topic: AnyTopic | string
  readonly records: readonly EncodedRecord[]
  readonly keys: readonly EncodedCondition[]
  readonly signal: AbortSignal | undefined
  readonly settings: ProducerSettings
  readonly accumulator: Accumulator
  /**
   * Hands the records over. Returns false where more must be known of the topic; `isFresh` says that asking again is of no use. Throws what is wrong with them.
   * `free` is called when they are answered.
   */
  enter(partitionCount: number, isFresh: boolean, now: number, sizeInBytes: number, free: () => void): boolean
  /** They were not handed over. */
  refused(error: unknown): void
}

/** Records with conditions that are not taken in yet: they wait for room and for their topic as others do. */
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
    const { topic, keys, accumulator } = this.#parts
    const heldBytes = this.#sizeInBytes + conditionBytes(keys)
    if (!accumulator.hasRoomFor(heldBytes)) {
      accumulator.measure(nameOf(topic))
      if (!accumulator.hasRoomFor(heldBytes)) return progress.needsMemory
    }
    const free = () => accumulator.free(heldBytes)
    if (!this.#parts.enter(known.partitions.length, this.isFresh, now, this.#sizeInBytes, free)) return progress.needsMetadata
    accumulator.hold(heldBytes)
    return progress.appended
  }

  refuse(error: unknown): void {
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
