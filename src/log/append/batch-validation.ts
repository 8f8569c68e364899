import { readInt32, writeInt16, writeInt32, writeInt64 } from '../../common/bytes.js'
import { crc32c } from '../../common/crc32c.js'
import type { Dates } from '../../common/dates.js'
import { type ErrorCode, KafkaError } from '../../errors.js'
import { BatchBuilder } from '../../record/batch-builder.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  batchSizeAt,
  crcAt,
  currentMagic,
  field,
  headerBytes,
  maxTimestampAt,
  noProducerId,
  producerIdAt,
  recordCountAt
} from '../../record/batch-header.js'
import type { CompressionType } from '../../record/compression/codec.js'
import { compressionTypeOf } from '../../record/compression/codecs.js'
import { RecordBatch } from '../../record/record-batch.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { type CompleteLogOptions, compacts } from '../log-options.js'

/**
 * The origin of a batch. A `client` is trusted with nothing; a `producer` is our own, in this
 * process, and brings what its `BatchBuilder` made a moment ago; a `coordinator` is a part of the
 * node that writes to its internal topic; a `replica` copies what a leader has already taken in,
 * offsets included.
 */
export type AppendOrigin = (typeof appendOrigins)[number]
export const appendOrigins = ['client', 'producer', 'coordinator', 'replica'] as const

/** The error of one record of a refused batch. */
export interface RecordError {
  /** The record's place in the batch, from 0. */
  readonly batchIndex: number
  readonly message: string
}

/** A batch was refused for the sake of some of its records; nothing of it was written. */
export class RecordValidationError extends KafkaError {
  readonly recordErrors: readonly RecordError[]

  constructor(code: ErrorCode, message: string, recordErrors: readonly RecordError[]) {
    super(code, message)
    this.recordErrors = recordErrors
  }
}

/** The batch that a leader writes in the place of one that it was sent. */
export interface ValidatedBatch {
  /** The batch itself, or a new one where its records had to be encoded anew. */
  readonly bytes: Uint8Array
  readonly recordCount: number
  /** The largest timestamp of its records, or the time of the append. */
  readonly maxTimestamp: number
  /** True if the header's time fields must be stamped, and the checksum with them. */
  readonly restamp: boolean
  /**
   * Its records, where they had to be decompressed; their offsets follow each other. It stands at
   * the last, and holds until the next batch is validated.
   */
  readonly unpacked?: RecordCursor | undefined
}

/** Errors beyond this number are counted, not told. */
const maxRecordErrors = 100

/** Validation never waits, so one cursor, and the memory it decompresses into, serves all logs. */
const cursor = new RecordCursor()

/**
 * Checks a batch as Kafka's leader does before it gets its offsets, in Kafka's order, and refuses
 * it with Kafka's codes. Changes nothing in `bytes`. `now` is the date.
 */
export function validateBatch(
  bytes: Uint8Array,
  origin: AppendOrigin,
  options: CompleteLogOptions,
  now: number,
  dates: Dates
): ValidatedBatch {
  const validated = (origin === 'producer' ? asBuilt(bytes, options, now) : undefined) ?? checked(bytes, origin, options, now, dates)
  if (validated.bytes.length > options.segmentBytes) {
    throw new KafkaError(
      'RECORD_LIST_TOO_LARGE',
      `A batch of ${validated.bytes.length} bytes does not fit a segment of ${options.segmentBytes}`
    )
  }
  return validated
}

/**
 * A batch that a producer in this process has just built is trusted, unless the topic asks for more
 * than the header tells. Reading it again would cost a seventh of what a small record costs
 * altogether.
 */
function asBuilt(bytes: Uint8Array, options: CompleteLogOptions, now: number): ValidatedBatch | undefined {
  const compression = compressionTypeOf(attributesAt(bytes, 0) & attribute.codecMask)
  const { messageTimestampType, messageTimestampBeforeMaxMs, messageTimestampAfterMaxMs } = options
  const maxTimestamp = maxTimestampAt(bytes, 0)
  const isTimely = messageTimestampAfterMaxMs < 0 || maxTimestamp <= now + messageTimestampAfterMaxMs
  const isEnough = messageTimestampType === 'CreateTime' && messageTimestampBeforeMaxMs < 0 && isTimely && !compacts(options)
  if (!isEnough || targetCompression(options, compression) !== compression) return undefined
  checkSize(bytes, options)
  return { bytes, recordCount: recordCountAt(bytes, 0), maxTimestamp, restamp: false }
}

function checked(bytes: Uint8Array, origin: AppendOrigin, options: CompleteLogOptions, now: number, dates: Dates): ValidatedBatch {
  checkFraming(bytes)
  if (origin === 'client' && baseOffsetAt(bytes, 0) !== 0) {
    throw new KafkaError('INVALID_RECORD', `The base offset of a batch must be 0 when it is sent, it is ${baseOffsetAt(bytes, 0)}`)
  }
  checkSize(bytes, options)
  checkChecksum(bytes, 0)
  if (origin === 'client') checkClientHeader(bytes)
  const validated = checkRecords(bytes, options, now, dates)
  if (validated.bytes !== bytes) checkSize(validated.bytes, options)
  return validated
}

function checkFraming(bytes: Uint8Array): void {
  if (bytes.length < headerBytes) throw new KafkaError('INVALID_RECORD', `Expected one batch, got ${bytes.length} bytes`)
  const magic = bytes[field.magic]
  if (magic !== currentMagic)
    throw new KafkaError('INVALID_RECORD', `Only batches of magic ${currentMagic} are taken, this one has ${magic}`)
  const size = batchSizeAt(bytes, 0)
  if (size < headerBytes) throw new KafkaError('CORRUPT_MESSAGE', `The size of the batch is ${size}, less than its header's`)
  if (size !== bytes.length) {
    throw new KafkaError('INVALID_RECORD', `Expected exactly one batch, got one of ${size} bytes in ${bytes.length} bytes`)
  }
}

function checkSize(bytes: Uint8Array, { maxMessageBytes }: CompleteLogOptions): void {
  if (bytes.length <= maxMessageBytes) return
  throw new KafkaError('MESSAGE_TOO_LARGE', `The batch has ${bytes.length} bytes, the topic takes at most ${maxMessageBytes}`)
}

/** Compares the checksum of the batch at `position`, which must be there whole. */
export function checkChecksum(bytes: Uint8Array, position: number): void {
  const expected = crcAt(bytes, position)
  const actual = crc32c(bytes, position + field.attributes, position + batchSizeAt(bytes, position))
  if (actual !== expected) throw new KafkaError('CORRUPT_MESSAGE', `The batch says its checksum is ${expected}, its bytes give ${actual}`)
}

/**
 * Describes the fault of the checksum of the batch at `position`, which must be there whole, if
 * there is one.
 */
export function crcFaultAt(bytes: Uint8Array, position: number): string | undefined {
  const actual = crc32c(bytes, position + field.attributes, position + batchSizeAt(bytes, position))
  return actual === crcAt(bytes, position) ? undefined : 'the checksum of a batch does not fit its bytes'
}

/**
 * The whole batch of another replica at `position`, which keeps its offsets; they must not lie
 * before `nextOffset`.
 */
export function checkReplicatedBatch(bytes: Uint8Array, position: number, nextOffset: number): Uint8Array {
  const batch = new RecordBatch(bytes, position)
  checkChecksum(batch.bytes, 0)
  const { baseOffset, lastOffset } = batch
  if (baseOffset >= nextOffset && lastOffset >= baseOffset && lastOffset < Number.MAX_SAFE_INTEGER) return batch.bytes
  throw new KafkaError('INVALID_RECORD', `A batch with the offsets ${baseOffset} to ${lastOffset} cannot follow ${nextOffset - 1}`)
}

function checkClientHeader(bytes: Uint8Array): void {
  const count = recordCountAt(bytes, 0)
  const lastOffsetDelta = readInt32(bytes, field.lastOffsetDelta)
  if (count <= 0 || count !== lastOffsetDelta + 1) {
    throw new KafkaError('INVALID_RECORD', `A batch of ${count} records cannot have ${lastOffsetDelta} as its last offset delta`)
  }
  if (attributesAt(bytes, 0) & attribute.control) throw new KafkaError('INVALID_RECORD', 'Clients may not write control records')
  const sequence = readInt32(bytes, field.baseSequence)
  if (producerIdAt(bytes, 0) !== noProducerId && sequence < 0) {
    throw new KafkaError('INVALID_RECORD', `A batch of producer ${producerIdAt(bytes, 0)} cannot have ${sequence} as its sequence number`)
  }
}

function checkRecords(bytes: Uint8Array, options: CompleteLogOptions, now: number, dates: Dates): ValidatedBatch {
  const stampsTime = options.messageTimestampType === 'LogAppendTime'
  const attributes = attributesAt(bytes, 0)
  const compression = compressionTypeOf(attributes & attribute.codecMask)
  const target = attributes & attribute.control ? compression : targetCompression(options, compression)
  const { recordCount, maxTimestamp, isConsecutive } = recordsOf(bytes, options, now, dates, stampsTime)
  const newTimestamp = stampsTime ? now : maxTimestamp
  if (target !== compression || (compression !== 'none' && !isConsecutive)) {
    return { bytes: rebuilt(bytes, target, stampsTime ? now : undefined), recordCount, maxTimestamp: newTimestamp, restamp: false }
  }
  // As in Kafka, a batch that says that its time is that of the append loses the bit that says so.
  const restamp = stampsTime || (attributes & attribute.logAppendTime) !== 0 || maxTimestampAt(bytes, 0) !== newTimestamp
  return { bytes, recordCount, maxTimestamp: newTimestamp, restamp, unpacked: compression === 'none' ? undefined : cursor }
}

interface RecordsSummary {
  readonly recordCount: number
  readonly maxTimestamp: number
  /** True if the offsets follow each other from the batch's own on. */
  readonly isConsecutive: boolean
}

function recordsOf(bytes: Uint8Array, options: CompleteLogOptions, now: number, dates: Dates, stampsTime: boolean): RecordsSummary {
  const { messageTimestampBeforeMaxMs, messageTimestampAfterMaxMs } = options
  const oldest = stampsTime || messageTimestampBeforeMaxMs < 0 ? Number.NEGATIVE_INFINITY : now - messageTimestampBeforeMaxMs
  const newest = stampsTime || messageTimestampAfterMaxMs < 0 ? Number.POSITIVE_INFINITY : dates.latest() + messageTimestampAfterMaxMs
  const needsKeys = compacts(options)
  return walkRecords(bytes, needsKeys, oldest, newest, stampsTime)
}

function walkRecords(bytes: Uint8Array, needsKeys: boolean, oldest: number, newest: number, stampsTime: boolean): RecordsSummary {
  const hasAppendTime = (attributesAt(bytes, 0) & attribute.logAppendTime) !== 0
  const baseOffset = baseOffsetAt(bytes, 0)
  let errors: RecordError[] | undefined
  let badTime = false
  let recordCount = 0
  let maxTimestamp = -1
  let isConsecutive = true
  cursor.reset(bytes, 0)
  while (cursor.next()) {
    const timestamp = cursor.timestamp
    if (timestamp > maxTimestamp) maxTimestamp = timestamp
    if (needsKeys && cursor.keyLength < 0) {
      errors = noted(errors, recordCount, 'A compacted topic cannot take a record without a key')
    } else if (hasAppendTime && (stampsTime || timestamp === -1)) {
      // Kafka lets it pass only where the time of the producer counts, and is there.
      badTime = true
      errors = noted(errors, recordCount, 'A producer must not set the timestamp type to LogAppendTime')
    } else if (timestamp !== -1 && (timestamp < oldest || timestamp > newest)) {
      badTime = true
      errors = noted(errors, recordCount, `The timestamp ${timestamp} is out of range, it must lie between ${oldest} and ${newest}`)
    }
    if (cursor.offset !== baseOffset + recordCount) isConsecutive = false
    recordCount++
  }
  if (errors) throw refusal(errors, badTime)
  return { recordCount, maxTimestamp, isConsecutive }
}

function noted(errors: RecordError[] | undefined, batchIndex: number, message: string): RecordError[] {
  if (!errors) return [{ batchIndex, message }]
  if (errors.length < maxRecordErrors) errors.push({ batchIndex, message })
  return errors
}

function refusal(errors: readonly RecordError[], badTime: boolean): RecordValidationError {
  const [{ batchIndex, message }] = errors
  const more = errors.length > 1 ? `, and ${errors.length - 1} more` : ''
  return new RecordValidationError(badTime ? 'INVALID_TIMESTAMP' : 'INVALID_RECORD', `Record ${batchIndex}: ${message}${more}`, errors)
}

function targetCompression({ compressionType }: CompleteLogOptions, ofBatch: CompressionType): CompressionType {
  if (compressionType === 'producer') return ofBatch
  return compressionType === 'uncompressed' ? 'none' : compressionType
}

/** The same records in a new batch, with offsets that follow each other. */
function rebuilt(bytes: Uint8Array, compression: CompressionType, logAppendTime: number | undefined): Uint8Array {
  const batch = new RecordBatch(bytes)
  const builder = new BatchBuilder({ compression })
  cursor.reset(bytes, 0)
  while (cursor.next()) builder.append(cursor.timestamp, cursor.key(), cursor.value(), cursor.headers())
  const { producerId, producerEpoch, baseSequence, isTransactional: transactional, isControl: control } = batch
  return builder.build({ producerId, producerEpoch, baseSequence, transactional, control, logAppendTime })
}

/** Writes the time of a batch and whose it is, and the checksum that covers both. */
export function stampTime(bytes: Uint8Array, maxTimestamp: number, isAppendTime: boolean): void {
  const others = attributesAt(bytes, 0) & ~attribute.logAppendTime
  writeInt16(bytes, field.attributes, isAppendTime ? others | attribute.logAppendTime : others)
  writeInt64(bytes, field.maxTimestamp, maxTimestamp)
  writeInt32(bytes, field.crc, crc32c(bytes, field.attributes, bytes.length))
}
