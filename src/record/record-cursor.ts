import { copyBytes, readInt32, readText } from '../common/bytes.js'
import { keepUntransferred } from '../common/lease.js'
import { expectBytes, expectInteger, expectKnownKeys } from '../common/options.js'
import { givenBack } from '../common/poison.js'
import { encodedSize, readVarint, readVarlong } from '../common/varint.js'
import { KafkaError } from '../errors.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  baseTimestampAt,
  batchSizeAt,
  currentMagic,
  field,
  headerBytes,
  maxTimestampAt,
  recordCountAt
} from './batch-header.js'
import { compressionTypeOf, decoderOf, expectCoded } from './compression/codecs.js'
import type { LogRecord, RecordHeader } from './record.js'

export interface RecordCursorOptions {
  /**
   * Bytes that the records of one compressed batch may take in memory; more is refused with
   * `INVALID_RECORD`. Default: 128 MiB, a hundred times what a broker takes in one batch unless
   * told otherwise (1 MiB), and as much as real data is ever compressed.
   */
  readonly maxDecompressedBytes?: number
}

export const defaultMaxDecompressedBytes = 128 * 1024 * 1024

/** A buffer above this size is not kept for the next batch. */
const keptBytes = 4 * 1024 * 1024
/** A length, six fields of at least one byte. */
const smallestRecord = 7
const noBytes = new Uint8Array(0)

/**
 * Walks the records of a batch without making an object for any of them. `next()` moves on and says
 * whether there is a record; the fields then describe it, as positions in `bytes`:
 *
 * ```ts
 * cursor.reset(batchBytes, 0)
 * while (cursor.next()) total += cursor.valueLength
 * ```
 *
 * `bytes`, and views made by `key()`, `value()` and `headers()`, hold until the next `reset`: those
 * of a compressed batch lie in a buffer that the cursor uses again. The checksum is not looked at
 * (see `RecordBatch.verify`); everything else is, and bytes that are no valid batch give a
 * `KafkaError` with `CORRUPT_MESSAGE` (the batch) or `INVALID_RECORD` (a record in it).
 *
 * Size: it has a field for each part of the current record, so that going through a batch allocates
 * nothing.
 */
export class RecordCursor {
  /** The bytes that the positions of the current record point into. */
  bytes: Uint8Array = noBytes
  offset = -1
  /** Milliseconds since 1970; -1 when the record has none. */
  timestamp = -1
  keyStart = 0
  /** -1 when the key is null. */
  keyLength = -1
  valueStart = 0
  /** -1 when the value is null. */
  valueLength = -1
  headerCount = 0

  readonly #maxDecompressedBytes: number
  #unpacked: Uint8Array = noBytes
  #headersStart = 0
  #start = 0
  #position = 0
  #end = 0
  #count = 0
  #remaining = 0
  #baseOffset = 0
  #lastOffsetDelta = 0
  #baseTimestamp = 0
  /**
   * 0 where the log stamped the batch, so that all its records have the same time, else 1. Numbers
   * only: what may be `undefined` costs an object.
   */
  #timestampStep = 1

  constructor(options: RecordCursorOptions = {}) {
    expectKnownKeys('a record cursor', options, ['maxDecompressedBytes'])
    const { maxDecompressedBytes = defaultMaxDecompressedBytes } = options
    expectInteger('maxDecompressedBytes', maxDecompressedBytes, 1, 2 ** 31 - 1)
    this.#maxDecompressedBytes = maxDecompressedBytes
  }

  /**
   * Stands before the first record of the whole batch at `position`. Decompresses it if need be.
   */
  reset(bytes: Uint8Array, position: number): void {
    expectBytes('bytes', bytes)
    expectInteger('position', position, 0)
    this.#count = 0
    this.#remaining = 0
    givenBack(this.#unpacked)
    const size = checkedBatchSize(bytes, position)
    const attributes = attributesAt(bytes, position)
    const count = recordCountAt(bytes, position)
    const lastOffsetDelta = readInt32(bytes, position + field.lastOffsetDelta)
    if (lastOffsetDelta < 0) throw corrupt(`its last offset delta is ${lastOffsetDelta}`)
    if (count < 0 || count > lastOffsetDelta + 1) throw invalid(`${count} records cannot have offset deltas up to ${lastOffsetDelta}`)
    this.#baseOffset = baseOffsetAt(bytes, position)
    if (!(this.#baseOffset >= 0 && this.#baseOffset + lastOffsetDelta <= Number.MAX_SAFE_INTEGER)) {
      throw corrupt(`its base offset is ${this.#baseOffset}`)
    }
    this.#lastOffsetDelta = lastOffsetDelta
    const hasAppendTime = (attributes & attribute.logAppendTime) !== 0
    this.#baseTimestamp = hasAppendTime ? maxTimestampAt(bytes, position) : baseTimestampAt(bytes, position)
    this.#timestampStep = hasAppendTime ? 0 : 1
    const codecId = attributes & attribute.codecMask
    if (codecId === 0 || size === headerBytes) {
      this.bytes = bytes
      this.#position = position + headerBytes
      this.#end = position + size
    } else {
      this.bytes = this.#unpack(codecId, bytes.subarray(position + headerBytes, position + size))
      this.#position = 0
      this.#end = this.bytes.length
    }
    if (count * smallestRecord > this.#end - this.#position) throw invalid(`${count} records do not fit in its bytes`)
    if (count === 0 && this.#position !== this.#end) throw invalid('bytes follow its last record')
    this.#start = this.#position
    this.#count = count
    this.#remaining = count
  }

  /** Stands before the first record of the same batch again, without decompressing it again. */
  rewind(): void {
    this.#position = this.#start
    this.#remaining = this.#count
  }

  #unpack(codecId: number, packed: Uint8Array): Uint8Array {
    const type = compressionTypeOf(codecId)
    const codec = decoderOf(type)
    let unpacked: Uint8Array
    try {
      unpacked = expectCoded(type, 'decompress', codec.decompress(packed, this.#maxDecompressedBytes, this.#unpacked))
    } catch (error) {
      if (error instanceof KafkaError) throw error
      throw new KafkaError('CORRUPT_MESSAGE', `The ${type} data of a batch cannot be decompressed`, { cause: error })
    }
    // Decoders take room for as much as a block may hold before they know how much it does.
    const room = Math.min(2 * unpacked.length, keptBytes)
    if (this.#unpacked.length < room) this.#unpacked = new Uint8Array(room)
    keepUntransferred(unpacked)
    return unpacked
  }

  /** Moves to the next record. Returns `false` after the last one. */
  next(): boolean {
    if (this.#remaining === 0) return false
    // The everyday record, without headers and with lengths that fit two bytes, is read on the
    // spot, which takes half the time. Whatever is not quite that, or not right, is left to the
    // careful way.
    const bytes = this.bytes
    let position = this.#position
    let length = bytes[position++]
    if (length >= 0x80) length = (length & 0x7f) | (bytes[position++] << 7)
    const end = position + (length >>> 1)
    const timestampDelta = bytes[position + 1]
    let offsetDelta = bytes[position + 2]
    position += 3
    if (offsetDelta >= 0x80) offsetDelta = (offsetDelta & 0x7f) | (bytes[position++] << 7)
    const keyLength = bytes[position++]
    const keyStart = position
    position += keyLength >>> 1
    let valueLength = bytes[position++]
    if (valueLength >= 0x80) valueLength = (valueLength & 0x7f) | (bytes[position++] << 7)
    const valueStart = position
    position += valueLength >>> 1
    const isPlain =
      ((length | timestampDelta | offsetDelta | valueLength) & 1) === 0 &&
      (length | offsetDelta | valueLength) < 0x4000 &&
      timestampDelta < 0x80 &&
      (keyLength === nullLength || ((keyLength & 1) === 0 && keyLength < 0x80)) &&
      bytes[position] === 0 &&
      position + 1 === end &&
      (this.#remaining === 1 ? end === this.#end : end < this.#end) &&
      offsetDelta >>> 1 <= this.#lastOffsetDelta
    const timestamp = this.#baseTimestamp + this.#timestampStep * (timestampDelta >>> 1)
    if (!isPlain || !isInRange(timestamp)) return this.#nextWithCare()
    this.offset = this.#baseOffset + (offsetDelta >>> 1)
    this.timestamp = timestamp
    this.keyLength = keyLength === nullLength ? -1 : keyLength >>> 1
    this.keyStart = keyStart
    this.valueLength = valueLength >>> 1
    this.valueStart = valueStart
    this.headerCount = 0
    this.#headersStart = end
    this.#position = end
    this.#remaining--
    return true
  }

  #nextWithCare(): boolean {
    const bytes = this.bytes
    const length = varintAt(bytes, this.#position)
    const end = after + length
    if (!(length >= smallestRecord - 1 && end <= this.#end)) throw invalid(`the length of a record is ${length}`)
    const timestampDelta = varlongAt(bytes, after + 1)
    const offsetDelta = varintAt(bytes, after)
    if (!(offsetDelta >= 0 && offsetDelta <= this.#lastOffsetDelta)) throw invalid(`an offset delta is ${offsetDelta}`)
    this.offset = this.#baseOffset + offsetDelta
    const timestamp = this.#baseTimestamp + this.#timestampStep * timestampDelta
    if (!isInRange(timestamp)) throw invalid('a timestamp is out of range')
    this.timestamp = timestamp

    const keyLength = lengthAt(bytes, after, end)
    this.keyLength = keyLength
    this.keyStart = after
    const valueLength = lengthAt(bytes, keyLength > 0 ? after + keyLength : after, end)
    this.valueLength = valueLength
    this.valueStart = after
    const headerCount = varintAt(bytes, valueLength > 0 ? after + valueLength : after)
    if (!(headerCount >= 0 && headerCount <= end - after)) throw invalid(`a record has ${headerCount} headers`)
    this.headerCount = headerCount
    this.#headersStart = after
    const last = headerCount === 0 ? after : headersEnd(bytes, after, headerCount, end)
    if (last !== end) throw invalid('a record is not as long as it says')
    if (--this.#remaining === 0 && end !== this.#end) throw invalid('bytes follow its last record')
    this.#position = end
    return true
  }

  /** A view of the current record's key. */
  key(): Uint8Array | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyStart, this.keyStart + this.keyLength)
  }

  /** A view of the current record's value. */
  value(): Uint8Array | null {
    return this.valueLength < 0 ? null : this.bytes.subarray(this.valueStart, this.valueStart + this.valueLength)
  }

  /** The current record's headers; their values are views. */
  headers(): RecordHeader[] {
    if (this.headerCount === 0) return []
    const bytes = this.bytes
    const headers: RecordHeader[] = []
    let position = this.#headersStart
    for (let i = 0; i < this.headerCount; i++) {
      const keyLength = varintAt(bytes, position)
      const keyStart = after
      const valueLength = varintAt(bytes, keyStart + keyLength)
      position = valueLength > 0 ? after + valueLength : after
      const value = valueLength < 0 ? null : bytes.subarray(after, position)
      headers.push({ key: readText(bytes, keyStart, keyStart + keyLength), value })
    }
    return headers
  }

  /** The current record as an object of its own, with copies of its bytes. */
  record(): LogRecord {
    const headers = this.headers().map(({ key, value }) => ({ key, value: copyOf(value) }))
    return { offset: this.offset, timestamp: this.timestamp, key: copyOf(this.key()), value: copyOf(this.value()), headers }
  }
}

/** As a varint. */
const nullLength = 1

/** The end of the number that was read last. */
let after = 0

function isInRange(timestamp: number): boolean {
  return timestamp >= Number.MIN_SAFE_INTEGER && timestamp <= Number.MAX_SAFE_INTEGER
}

/** The varint at `position`; `NaN` when there is none. One byte is the most usual, then two. */
function varintAt(bytes: Uint8Array, position: number): number {
  const byte = bytes[position]
  if (byte < 0x80) {
    after = position + 1
    return (byte >>> 1) ^ -(byte & 1)
  }
  const next = bytes[position + 1]
  if (next < 0x80) {
    after = position + 2
    return (((byte & 0x7f) >>> 1) | (next << 6)) ^ -(byte & 1)
  }
  after = position + encodedSize(bytes, position)
  return readVarint(bytes, position)
}

function varlongAt(bytes: Uint8Array, position: number): number {
  if (bytes[position] < 0x80 || bytes[position + 1] < 0x80) return varintAt(bytes, position)
  after = position + encodedSize(bytes, position)
  return readVarlong(bytes, position)
}

/** The length of a field that must end by `end`; -1 for null. */
function lengthAt(bytes: Uint8Array, position: number, end: number): number {
  const length = varintAt(bytes, position)
  if (length >= -1 && length <= end - after) return length
  throw invalid(`the length of a field is ${length}`)
}

/** The end of a record's headers. */
function headersEnd(bytes: Uint8Array, position: number, count: number, end: number): number {
  for (let i = 0; i < count; i++) {
    const keyLength = lengthAt(bytes, position, end)
    if (keyLength < 0) throw invalid('the key of a header is null')
    const valueLength = lengthAt(bytes, after + keyLength, end)
    position = valueLength > 0 ? after + valueLength : after
  }
  return position
}

/**
 * The size of the whole batch at `position`. Throws when it is not all there, or of another format.
 */
export function checkedBatchSize(bytes: Uint8Array, position: number): number {
  const available = bytes.length - position
  if (available < headerBytes) throw corrupt(`only ${available} bytes of its header are there`)
  const size = batchSizeAt(bytes, position)
  if (size < headerBytes) throw corrupt(`its size is ${size}`)
  if (size > available) throw corrupt(`only ${available} of its ${size} bytes are there`)
  const magic = bytes[position + field.magic]
  if (magic !== currentMagic) throw corrupt(`its magic is ${magic}, only ${currentMagic} is supported`)
  return size
}

function copyOf(view: Uint8Array | null): Uint8Array | null {
  return view && copyBytes(view)
}

function corrupt(reason: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `A batch is damaged: ${reason}`)
}

function invalid(reason: string): KafkaError {
  return new KafkaError('INVALID_RECORD', `A batch holds invalid records: ${reason}`)
}
