import { keyPartition } from '../client/key-partition.js'
import { textLength } from '../common/bytes.js'
import { KafkaError } from '../errors.js'
import { BatchBuilder } from '../record/batch-builder.js'
import { headerBytes } from '../record/batch-header.js'
import type { Field, HeaderField } from '../record/record.js'
import { string } from '../record/serde.js'
import type { AnyTopic } from '../record/topic.js'
import type { Accumulator } from './accumulator.js'
import type { PartitionQueue } from './partition-queue.js'
import { chosenPartition, type Partitioner, type PartitionLoad, type StickyPartitioner } from './partitioner.js'
import {
  type AnyRecord,
  checkTimestamp,
  type EncodedRecord,
  headerFields,
  notARecord,
  serializedKey,
  serializedValue
} from './producer-record.js'
import type { Receipt } from './receipt.js'

/** The outcome of an attempt to append a record. */
export const progress = { appended: 0, needsMemory: 1, needsMetadata: 2, needsTurn: 3 } as const
export type Progress = (typeof progress)[keyof typeof progress]

/** The partitions of a topic, as its writer knows them. */
export interface KnownPartitions {
  readonly partitions: readonly { readonly leaderId: number }[]
}

export interface TopicWriterOptions {
  readonly accumulator: Accumulator
  readonly sticky: StickyPartitioner
  readonly partitioner: Partitioner | undefined
  readonly maxRequestSize: number
}

const noHeaders: readonly HeaderField[] = []
const recordOverhead = BatchBuilder.sizeOf(null, null)

/**
 * Brings the records of one topic into the batches of its partitions: serializes, chooses the
 * partition, appends.
 */
export class TopicWriter implements PartitionLoad {
  readonly topic: string
  readonly #queues: readonly (PartitionQueue | undefined)[]
  readonly #accumulator: Accumulator
  readonly #sticky: StickyPartitioner
  readonly #partitioner: Partitioner | undefined
  readonly #limit: SizeLimit
  readonly #isBatchEnd = (partition: number) => this.#queues[partition]?.open === undefined
  #known: KnownPartitions = { partitions: [] }

  constructor(topic: string, options: TopicWriterOptions) {
    this.topic = topic
    this.#accumulator = options.accumulator
    this.#queues = options.accumulator.queuesOf(topic)
    this.#sticky = options.sticky
    this.#partitioner = options.partitioner
    this.#limit = sizeLimit(options.accumulator, options.maxRequestSize)
  }

  /**
   * Appends one record, or says what is missing for it. `known` is what the cluster last said of
   * the topic, and `isFresh` that asking again is of no use. `encoded` has the parts of a record
   * that was serialized before. Throws what is wrong with the record; then nothing has changed.
   */
  append(
    topic: AnyTopic | string,
    record: AnyRecord,
    known: KnownPartitions,
    isFresh: boolean,
    now: number,
    receipt: Receipt,
    index: number,
    encoded?: EncodedRecord
  ): Progress {
    let key: Field
    let value: Field
    let headers = noHeaders
    if (encoded !== undefined) ({ key, value, headers } = encoded)
    else {
      if (typeof record !== 'object' || record === null) throw notARecord(topic, record)
      // Text that stays as it is, which is the everyday case, is not even asked for its serde.
      const isPlain = typeof topic === 'string'
      key = typeof record.key === 'string' && (isPlain || topic.key === string) ? record.key : serializedKey(topic, record)
      value = typeof record.value === 'string' && (isPlain || topic.value === string) ? record.value : serializedValue(topic, record)
      if (record.headers !== undefined) headers = headerFields(topic, record.headers)
    }
    let timestamp = now
    if (record.timestamp !== undefined) {
      checkTimestamp(topic, record.timestamp)
      timestamp = record.timestamp
    }
    // Text counts with three bytes for each of its units, until that would matter.
    let size = headers.length === 0 ? recordOverhead + mostBytes(key) + mostBytes(value) : BatchBuilder.sizeOf(key, value, headers)
    const accumulator = this.#accumulator
    if (headerBytes + size > this.#limit.bytes || !accumulator.hasRoomFor(headerBytes + size)) {
      size = exactSize(key, value, headers)
      accumulator.measure(this.topic)
      this.#checkSize(headerBytes + size)
      if (!accumulator.hasRoomFor(headerBytes + size)) return progress.needsMemory
    }

    if (this.#known !== known) this.#known = known
    const chosen = this.#chosenPartition(record, key)
    if (chosen !== undefined && chosen >= known.partitions.length) {
      if (!isFresh) return progress.needsMetadata
      throw this.#unknownPartition(chosen)
    }
    const isSticky = chosen === undefined
    let queue = this.#queue(isSticky ? this.#sticky.partitionFor(this, this.#isBatchEnd) : chosen)
    let batch = queue.open
    if (batch !== undefined && !batch.hasRoomFor(size, accumulator.batchSize)) {
      size = exactSize(key, value, headers)
      if (accumulator.closeUnlessRoomFor(queue, size) && isSticky) {
        this.#sticky.batchFilled(queue.partition)
        queue = this.#queue(this.#sticky.partitionFor(this, this.#isBatchEnd))
        accumulator.closeUnlessRoomFor(queue, size)
      }
      batch = queue.open
    }
    batch ??= accumulator.openBatch(queue)
    batch.append(receipt, index, timestamp, key, value, headers)
    const added = accumulator.appended(queue, batch)
    if (isSticky) this.#sticky.appended(added)
    return progress.appended
  }

  get partitionCount(): number {
    return this.#known.partitions.length
  }

  isAvailable(partition: number): boolean {
    return this.#known.partitions[partition].leaderId >= 0
  }

  queueLength(partition: number): number {
    return this.#queues[partition]?.length ?? 0
  }

  #queue(partition: number): PartitionQueue {
    return this.#queues[partition] ?? this.#accumulator.queueOf(this.topic, partition)
  }

  /**
   * The partition that the record, the user's partitioner or the key asks for; undefined when any
   * will do.
   */
  #chosenPartition(record: AnyRecord, key: Field): number | undefined {
    const { partitionCount } = this
    const chosen = chosenPartition(this.topic, record, key, partitionCount, this.#partitioner)
    return chosen !== undefined || key === null ? chosen : keyPartition(key, partitionCount)
  }

  #checkSize(size: number): void {
    const { name, bytes } = this.#limit
    if (size <= bytes) return
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `A record for \`${this.topic}\` takes up to ${size} bytes, more than the ${bytes} that \`${name}\` allows`,
      { topic: this.topic }
    )
  }

  #unknownPartition(partition: number): KafkaError {
    const last = this.#known.partitions.length - 1
    const message = `There is no partition ${partition} in \`${this.topic}\`, which has ${last === 0 ? 'only partition 0' : `partitions 0 to ${last}`}`
    return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic: this.topic, partition })
  }
}

/** The option that bounds what is sent as a whole, and its value. */
interface SizeLimit {
  readonly name: string
  readonly bytes: number
}

export function sizeLimit({ bufferMemory }: Accumulator, maxRequestSize: number): SizeLimit {
  return bufferMemory < maxRequestSize ? { name: 'bufferMemory', bytes: bufferMemory } : { name: 'maxRequestSize', bytes: maxRequestSize }
}

function mostBytes(field: Field): number {
  return field === null ? 0 : typeof field === 'string' ? 3 * field.length : field.length
}

/** The most that a record takes, its text counted to the byte. */
export function exactSize(key: Field, value: Field, headers: readonly HeaderField[]): number {
  let size = BatchBuilder.sizeOf(key, value, headers) - surplus(key) - surplus(value)
  for (const header of headers) size -= surplus(header.key) + surplus(header.value)
  return size
}

function surplus(field: Field): number {
  return typeof field === 'string' ? 3 * field.length - textLength(field) : 0
}
