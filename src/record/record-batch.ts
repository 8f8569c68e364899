import { readInt32, readInt64 } from '../common/bytes.js'
import { crc32c } from '../common/crc32c.js'
import { expectBytes, expectInteger, expectKnownKeys, isPlainObject, shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import { BatchBuilder, type BatchBuilderOptions, type BatchStamp, expectStamp, stampNames } from './batch-builder.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  baseTimestampAt,
  batchSizeAt,
  crcAt,
  field,
  lastOffsetAt,
  leaderEpochAt,
  lengthPrefixBytes,
  maxTimestampAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt
} from './batch-header.js'
import type { CompressionType } from './compression/codec.js'
import { compressionTypeOf } from './compression/codecs.js'
import type { LogRecord, RecordFields } from './record.js'
import { checkedBatchSize, RecordCursor, type RecordCursorOptions } from './record-cursor.js'

/** The options of `RecordBatch.of`. */
export interface RecordBatchOptions extends BatchBuilderOptions, BatchStamp {}

const batchOptionNames = ['compression', 'initialBytes', ...stampNames]
const largestSequence = 2 ** 31 - 1

/**
 * A batch of records as Kafka keeps it in logs and sends it over the wire: a header of 61 bytes
 * (see `batch-header.ts`) and the records, perhaps compressed. This is a view: making one costs
 * nothing and the getters read the header in place.
 *
 * ```ts
 * const batch = RecordBatch.of([{ key: 'u-42', value: 'hello' }], { compression: 'lz4' })
 * for (const record of batch.records()) console.log(record.offset, record.value)
 * ```
 */
export class RecordBatch {
  /** The bytes of this batch, header included. */
  readonly bytes: Uint8Array

  /**
   * The whole batch that starts at `position`. Throws a `KafkaError` with `CORRUPT_MESSAGE` when it
   * is not all there, or not of magic 2.
   */
  constructor(bytes: Uint8Array, position = 0) {
    expectBytes('bytes', bytes)
    expectInteger('position', position, 0)
    const size = checkedBatchSize(bytes, position)
    this.bytes = position === 0 && size === bytes.length ? bytes : bytes.subarray(position, position + size)
  }

  /** A new batch with these records. */
  static of(records: Iterable<RecordFields>, options: RecordBatchOptions = {}): RecordBatch {
    if (typeof records !== 'object' || typeof records?.[Symbol.iterator] !== 'function')
      throw new TypeError(`Expected \`records\` to be an array or another iterable, got ${shown(records)}`)
    expectKnownKeys('a batch', options, batchOptionNames)
    const { compression, initialBytes, ...stamp } = options
    const builder = new BatchBuilder({
      ...(compression !== undefined && { compression }),
      ...(initialBytes !== undefined && { initialBytes })
    })
    expectStamp(stamp)
    let baseOffset = options.baseOffset
    let nextOffset = baseOffset ?? 0
    for (const record of records) {
      if (!isPlainObject(record)) throw new TypeError(`Expected \`records\` to hold { key, value, … }, got ${shown(record)}`)
      const { offset = nextOffset, timestamp = -1, key = null, value = null, headers } = record
      expectInteger('offset', offset, 0)
      baseOffset ??= offset
      if (offset < nextOffset && builder.recordCount > 0)
        throw new TypeError(`Expected offsets to grow, got ${offset} before ${nextOffset}`)
      builder.appendAt(offset - baseOffset, timestamp, key, value, headers)
      nextOffset = offset + 1
    }
    return new RecordBatch(builder.build({ ...stamp, ...(baseOffset !== undefined && { baseOffset }) }))
  }

  get sizeInBytes(): number {
    return this.bytes.length
  }

  get baseOffset(): number {
    return baseOffsetAt(this.bytes, 0)
  }

  get lastOffset(): number {
    return lastOffsetAt(this.bytes, 0)
  }

  get nextOffset(): number {
    return this.lastOffset + 1
  }

  get lastOffsetDelta(): number {
    return readInt32(this.bytes, field.lastOffsetDelta)
  }

  /** -1 when it was never in a log. */
  get leaderEpoch(): number {
    return leaderEpochAt(this.bytes, 0)
  }

  get crc(): number {
    return crcAt(this.bytes, 0)
  }

  get compression(): CompressionType {
    return compressionTypeOf(attributesAt(this.bytes, 0) & attribute.codecMask)
  }

  /** Whose time the records carry: the producer's, or that of the append to the log. */
  get timestampType(): 'CreateTime' | 'LogAppendTime' {
    return this.#has(attribute.logAppendTime) ? 'LogAppendTime' : 'CreateTime'
  }

  get isTransactional(): boolean {
    return this.#has(attribute.transactional)
  }

  /** True if its record is a mark of a transaction or of the cluster, not of a user. */
  get isControl(): boolean {
    return this.#has(attribute.control)
  }

  /**
   * The time at which compaction may drop the batch's tombstones, in milliseconds since 1970;
   * `undefined` when it has not been compacted.
   */
  get deleteHorizon(): number | undefined {
    return this.#has(attribute.deleteHorizon) ? readInt64(this.bytes, field.baseTimestamp) : undefined
  }

  /** The time that the timestamps of the records are relative to. */
  get baseTimestamp(): number {
    return baseTimestampAt(this.bytes, 0)
  }

  get maxTimestamp(): number {
    return maxTimestampAt(this.bytes, 0)
  }

  /** -1 when the producer is not idempotent. */
  get producerId(): number {
    return producerIdAt(this.bytes, 0)
  }

  get producerEpoch(): number {
    return producerEpochAt(this.bytes, 0)
  }

  get baseSequence(): number {
    return readInt32(this.bytes, field.baseSequence)
  }

  /** Sequence number of the last record; sequence numbers go on at 0 after 2^31 - 1. */
  get lastSequence(): number {
    if (this.baseSequence < 0) return this.baseSequence
    const sequence = this.baseSequence + this.lastOffsetDelta
    return sequence > largestSequence ? sequence - largestSequence - 1 : sequence
  }

  /** Can be 0: compaction keeps batches whose records are all gone. */
  get recordCount(): number {
    return recordCountAt(this.bytes, 0)
  }

  /** Throws a `KafkaError` with `CORRUPT_MESSAGE` when the checksum does not fit the bytes. */
  verify(): void {
    const actual = crc32c(this.bytes, field.attributes)
    if (actual === this.crc) return
    throw new KafkaError(
      'CORRUPT_MESSAGE',
      `The checksum of the batch at offset ${this.baseOffset} is ${this.crc}, its bytes give ${actual}`
    )
  }

  /**
   * The records, decoded one by one; each is a copy and may be kept. See `RecordCursor` for a way
   * that makes no objects.
   */
  *records(options?: RecordCursorOptions): Generator<LogRecord, void, undefined> {
    const cursor = new RecordCursor(options)
    cursor.reset(this.bytes, 0)
    while (cursor.next()) yield cursor.record()
  }

  #has(bit: number): boolean {
    return (attributesAt(this.bytes, 0) & bit) !== 0
  }
}

/**
 * The whole batches that stand back to back in `bytes`; an incomplete one at the end, which a fetch
 * may bring, is left out.
 */
export function batchesIn(bytes: Uint8Array): Generator<RecordBatch, void, undefined> {
  expectBytes('bytes', bytes)
  return eachBatchIn(bytes)
}

function* eachBatchIn(bytes: Uint8Array): Generator<RecordBatch, void, undefined> {
  let position = 0
  while (bytes.length - position >= lengthPrefixBytes) {
    const size = batchSizeAt(bytes, position)
    if (size > bytes.length - position) return
    const batch = new RecordBatch(bytes, position)
    yield batch
    position += size
  }
}
