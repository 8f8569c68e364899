import { textLength, writeInt16, writeInt32, writeInt64, writeText as writeUtf8 } from '../common/bytes.js'
import { crc32c } from '../common/crc32c.js'
import { expectBoolean, expectInteger, expectKnownKeys, expectString, shown } from '../common/options.js'
import { givenBack } from '../common/poison.js'
import { varintSize, varlongSize, writeVarint, writeVarlong } from '../common/varint.js'
import { KafkaError } from '../errors.js'
import { attribute, currentMagic, field, headerBytes, lengthPrefixBytes, noProducerId, noSequence, noTimestamp } from './batch-header.js'
import type { CompressionType } from './compression/codec.js'
import { codecOf, compressionId, expectCoded } from './compression/codecs.js'
import type { Field, HeaderField } from './record.js'
import { isGatheredText, TextRecords } from './text-records.js'

export interface BatchBuilderOptions {
  /** Default: `'none'`. */
  readonly compression?: CompressionType
  /**
   * Bytes to start with; the buffer doubles as it fills and is kept when the builder is reset.
   * Default: 16 KiB.
   */
  readonly initialBytes?: number
}

/** The fields of a batch's header besides its records. All optional; left out means "none". */
export interface BatchStamp {
  /** Default: 0, as a producer sends it. */
  readonly baseOffset?: number
  /** Default: -1. */
  readonly leaderEpoch?: number
  /** Default: -1. */
  readonly producerId?: number
  /** Default: -1. */
  readonly producerEpoch?: number
  /** Default: -1. */
  readonly baseSequence?: number
  /** Default: `false`. */
  readonly transactional?: boolean
  /** True if the records are control records. Default: `false`. */
  readonly control?: boolean
  /**
   * The time, in milliseconds since 1970, that the log gives to all records. Default: each keeps
   * its own.
   */
  readonly logAppendTime?: number
  /**
   * Last offset minus base offset. Default: that of the last record. A compacted batch keeps the
   * one it had.
   */
  readonly lastOffsetDelta?: number
}

const defaultInitialBytes = 16 * 1024
/** The format's own limit: an int32 counts the bytes. */
const largestBatch = 2 ** 31 - 1
const largestDelta = 2 ** 31 - 1
/** Up to here a loop over char codes is faster than a call out of JavaScript. */
const shortText = 28
/** Up to here a loop over bytes is faster than `set`. */
const shortBytes = 12
/** The parts of a record that are always there: at their likely size, and at their longest. */
const likelyOverhead = 7
const mostRecordOverhead = 5 + 1 + 10 + 5 + 5 + 5 + 5
const mostHeaderOverhead = 5 + 5
const noHeaders: readonly HeaderField[] = []
const noStamp: BatchStamp = {}

/** As `build` and `copy` of a builder, for stamps that need no look. */
export let buildChecked: (builder: BatchBuilder, stamp: BatchStamp) => Uint8Array
export let copyChecked: (builder: BatchBuilder, stamp: BatchStamp) => Uint8Array

/**
 * As `append` of a builder, for records that were looked at before: a second look would take a
 * fifth of the time that a record takes.
 */
export let appendChecked: (builder: BatchBuilder, timestamp: number, key: Field, value: Field, headers: readonly HeaderField[]) => void

/**
 * Puts records into a batch as they come: each is encoded once, where it will stay. `build` adds
 * the header and the checksum. The buffer is kept from batch to batch, so a builder is meant to be
 * used again: append, build, hand the bytes over, reset.
 */
export class BatchBuilder {
  #sizeAtMost = headerBytes
  readonly #compression: CompressionType
  #bytes: Uint8Array
  #packed: Uint8Array = new Uint8Array(0)
  #packedSize = 0
  #position = headerBytes
  #recordCount = 0
  #lastOffsetDelta = -1
  #baseTimestamp = noTimestamp
  #deleteHorizon: number | undefined
  #maxTimestamp = noTimestamp
  /** The last records, where they are still to be encoded. */
  readonly #gathered = new TextRecords()

  static {
    appendChecked = (builder, timestamp, key, value, headers) => builder.#append(timestamp, key, value, headers)
    buildChecked = (builder, stamp) => builder.#build(stamp)
    copyChecked = (builder, stamp) => builder.#copy(stamp)
  }

  constructor(options: BatchBuilderOptions = {}) {
    expectKnownKeys('a batch builder', options, ['compression', 'initialBytes'])
    if (options.compression !== undefined) expectString('compression', options.compression)
    if (options.initialBytes !== undefined) expectInteger('initialBytes', options.initialBytes, 0, largestBatch)
    this.#compression = options.compression ?? 'none'
    if (this.#compression !== 'none') codecOf(this.#compression)
    this.#bytes = new Uint8Array(Math.max(options.initialBytes ?? defaultInitialBytes, headerBytes))
  }

  /** The bytes that a record can take at most, wherever it stands in a batch. */
  static sizeOf(key: Field, value: Field, headers: readonly HeaderField[] = noHeaders): number {
    if (!isField(key)) throw notAField('key', key)
    if (!isField(value)) throw notAField('value', value)
    if (headers !== noHeaders) expectHeaders(headers)
    return mostRecordOverhead + mostBytes(key) + mostBytes(value) + mostHeadersSize(headers)
  }

  get recordCount(): number {
    return this.#recordCount
  }

  /** Size of the batch so far, header included, before compression. */
  get sizeInBytes(): number {
    let size = this.#position
    const { count, timestamp } = this.#gathered
    const firstDelta = this.#lastOffsetDelta + 1 - count
    for (let i = 0; i < count; i++)
      size += textRecordSize(firstDelta + i, timestamp - this.#baseTimestamp, this.#gathered.key(i), this.#gathered.value(i))
    return size
  }

  /** The most that `sizeInBytes` can be: an upper bound that takes no time to say. */
  get sizeAtMost(): number {
    return this.#sizeAtMost
  }

  /**
   * True if `bytes` more leave the batch within `limit`. Counts to the byte where the upper bound
   * is not enough to tell.
   */
  hasRoomFor(bytes: number, limit: number): boolean {
    return this.#sizeAtMost + bytes <= limit || this.measure() + bytes <= limit
  }

  /** Encodes what has been gathered, so that `sizeAtMost` is exact, and returns it. */
  measure(): number {
    this.#encodeGathered()
    return this.#position
  }

  /** Adds a record with the next offset. */
  append(timestamp: number, key: Field, value: Field, headers: readonly HeaderField[] = noHeaders): void {
    expectRecord(timestamp, key, value, headers)
    this.#append(timestamp, key, value, headers)
  }

  #append(timestamp: number, key: Field, value: Field, headers: readonly HeaderField[]): void {
    if (this.#gathered.isInVain || headers.length > 0 || !isGatheredText(key) || !isGatheredText(value))
      return this.#appendAt(this.#lastOffsetDelta + 1, timestamp, key, value, headers)
    const units = (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
    if (!this.#gathered.hasRoomFor(timestamp, units)) this.#encodeGathered()
    this.#gathered.add(timestamp, units, key, value)
    this.#sizeAtMost += mostRecordOverhead + 3 * units
    this.#count(this.#lastOffsetDelta + 1, timestamp)
  }

  /** Adds a record at an offset of its own, relative to the base offset. Offsets must grow. */
  appendAt(offsetDelta: number, timestamp: number, key: Field, value: Field, headers: readonly HeaderField[] = noHeaders): void {
    expectRecord(timestamp, key, value, headers)
    if (!(Number.isInteger(offsetDelta) && offsetDelta >= 0 && offsetDelta <= largestDelta)) throw notADelta(offsetDelta)
    this.#appendAt(offsetDelta, timestamp, key, value, headers)
  }

  #appendAt(offsetDelta: number, timestamp: number, key: Field, value: Field, headers: readonly HeaderField[]): void {
    if (offsetDelta > largestDelta) throw notADelta(offsetDelta)
    this.#encodeGathered()
    this.#count(offsetDelta, timestamp)
    this.#encode(offsetDelta, timestamp, key, value, headers)
  }

  #count(offsetDelta: number, timestamp: number): void {
    if (this.#recordCount === 0) this.#baseTimestamp = this.#deleteHorizon ?? timestamp
    this.#recordCount++
    this.#lastOffsetDelta = offsetDelta
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
  }

  #encodeGathered(): void {
    const gathered = this.#gathered
    const { count, timestamp } = gathered
    if (count === 0) return
    const room = this.#sizeAtMost - this.#position
    if (this.#position + room > this.#bytes.length) this.#grow(room)
    const firstDelta = this.#lastOffsetDelta + 1 - count
    const records = gathered.encode(firstDelta, timestamp - this.#baseTimestamp)
    if (records === undefined) {
      for (let i = 0; i < count; i++) this.#encode(firstDelta + i, timestamp, gathered.key(i), gathered.value(i), noHeaders)
    } else {
      this.#bytes.set(records, this.#position)
      this.#position += records.length
      this.#sizeAtMost = this.#position
    }
    gathered.clear()
  }

  #encode(offsetDelta: number, timestamp: number, key: Field, value: Field, headers: readonly HeaderField[]): void {
    const start = this.#position
    // Text is taken for ASCII until it has been written. A wrong guess only means that some bytes
    // move.
    let guess = likelyOverhead
    let room = mostRecordOverhead
    if (typeof key === 'string') {
      guess += key.length
      room += 3 * key.length
    } else if (key !== null) {
      guess += key.length
      room += key.length
    }
    if (typeof value === 'string') {
      guess += value.length
      room += 3 * value.length
    } else if (value !== null) {
      guess += value.length
      room += value.length
    }
    if (headers.length > 0) {
      const most = mostHeadersSize(headers)
      guess += most
      room += most
    }
    if (start + room > this.#bytes.length) this.#grow(room)
    const bytes = this.#bytes
    const timestampDelta = timestamp - this.#baseTimestamp

    const lengthSize = guess < 0x40 ? 1 : varintSize(guess)
    const bodyStart = start + lengthSize
    bytes[bodyStart] = 0
    let position = bodyStart + 1
    if (timestampDelta >= 0 && timestampDelta < 0x40) bytes[position++] = timestampDelta << 1
    else position = writeVarlong(bytes, position, timestampDelta)
    position = writeLength(bytes, position, offsetDelta)
    position = writeField(bytes, position, key)
    position = writeField(bytes, position, value)
    if (headers.length === 0) bytes[position++] = 0
    else position = writeHeaders(bytes, position, headers)

    const length = position - bodyStart
    const shift = (length < 0x40 ? 1 : varintSize(length)) - lengthSize
    if (shift !== 0) bytes.copyWithin(bodyStart + shift, bodyStart, position)
    writeLength(bytes, start, length)
    position += shift
    this.#position = position
    this.#sizeAtMost = position
  }

  #grow(room: number): void {
    const needed = this.#position + room
    if (needed > largestBatch) throw new KafkaError('RECORD_LIST_TOO_LARGE', `A batch cannot grow beyond ${largestBatch} bytes`)
    const grown = new Uint8Array(Math.min(largestBatch, Math.max(needed, 2 * this.#bytes.length)))
    grown.set(this.#bytes.subarray(0, this.#position))
    this.#bytes = grown
  }

  /** The finished batch. The bytes are the builder's own: they hold until it is reset. */
  build(stamp: BatchStamp = noStamp): Uint8Array {
    if (stamp !== noStamp) expectStamp(stamp)
    return this.#build(stamp)
  }

  #build(stamp: BatchStamp): Uint8Array {
    this.#encodeGathered()
    if (this.#compression === 'none' || this.#recordCount === 0) return this.#withHeader(this.#bytes.subarray(0, this.#position), stamp)
    this.#packedSize = this.#compress()
    return this.#withHeader(this.#packed.subarray(0, this.#packedSize), stamp)
  }

  /**
   * A second copy of the batch in memory of its own, for use while a borrower of the first may
   * change its header.
   */
  copy(stamp: BatchStamp = noStamp): Uint8Array {
    if (stamp !== noStamp) expectStamp(stamp)
    return this.#copy(stamp)
  }

  #copy(stamp: BatchStamp): Uint8Array {
    const isPlain = this.#compression === 'none' || this.#recordCount === 0
    return this.#withHeader(isPlain ? this.#bytes.slice(0, this.#position) : this.#packed.slice(0, this.#packedSize), stamp)
  }

  #withHeader(batch: Uint8Array, stamp: BatchStamp): Uint8Array {
    const compressionBits = this.#recordCount === 0 ? 0 : compressionId(this.#compression)
    const timeBit = stamp.logAppendTime === undefined ? 0 : attribute.logAppendTime
    const transactionalBit = stamp.transactional ? attribute.transactional : 0
    const controlBit = stamp.control ? attribute.control : 0
    writeInt64(batch, field.baseOffset, stamp.baseOffset ?? 0)
    writeInt32(batch, field.batchLength, batch.length - lengthPrefixBytes)
    writeInt32(batch, field.leaderEpoch, stamp.leaderEpoch ?? -1)
    batch[field.magic] = currentMagic
    const horizonBit = this.#deleteHorizon === undefined || this.#recordCount === 0 ? 0 : attribute.deleteHorizon
    writeInt16(batch, field.attributes, compressionBits | timeBit | transactionalBit | controlBit | horizonBit)
    writeInt32(batch, field.lastOffsetDelta, stamp.lastOffsetDelta ?? Math.max(0, this.#lastOffsetDelta))
    writeInt64(batch, field.baseTimestamp, this.#baseTimestamp)
    writeInt64(batch, field.maxTimestamp, stamp.logAppendTime ?? this.#maxTimestamp)
    writeInt64(batch, field.producerId, stamp.producerId ?? noProducerId)
    writeInt16(batch, field.producerEpoch, stamp.producerEpoch ?? -1)
    writeInt32(batch, field.baseSequence, stamp.baseSequence ?? noSequence)
    writeInt32(batch, field.recordCount, this.#recordCount)
    writeInt32(batch, field.crc, crc32c(batch, field.attributes))
    return batch
  }

  /** Returns the size of the batch. */
  #compress(): number {
    const codec = codecOf(this.#compression)
    const records = this.#bytes.subarray(headerBytes, this.#position)
    const packed = expectCoded(codec.type, 'compress', codec.compress(records, this.#packed.subarray(headerBytes)))
    const size = headerBytes + packed.length
    if (packed.buffer !== this.#packed.buffer) {
      if (size > this.#packed.length) this.#packed = new Uint8Array(Math.max(size, this.#bytes.length))
      this.#packed.set(packed, headerBytes)
    }
    return size
  }

  /**
   * Empties the builder for the next batch; what `build` returned is no longer valid. A batch that
   * compaction has seen gets `deleteHorizon`, the time in milliseconds since 1970 after which its
   * tombstones may go: it stands where else the base timestamp does, and the others count from it.
   */
  reset(deleteHorizon?: number): void {
    if (deleteHorizon !== undefined) expectInteger('deleteHorizon', deleteHorizon, 0)
    givenBack(this.#bytes)
    givenBack(this.#packed)
    this.#deleteHorizon = deleteHorizon
    this.#position = headerBytes
    this.#sizeAtMost = headerBytes
    this.#recordCount = 0
    this.#lastOffsetDelta = -1
    this.#baseTimestamp = noTimestamp
    this.#maxTimestamp = noTimestamp
    this.#gathered.forget()
  }
}

/** Bytes of a record without headers, its length included. */
function textRecordSize(offsetDelta: number, timestampDelta: number, key: string | null, value: string | null): number {
  const body = 2 + varlongSize(timestampDelta) + varintSize(offsetDelta) + textSize(key) + textSize(value)
  return varintSize(body) + body
}

function textSize(text: string | null): number {
  if (text === null) return 1
  const length = textLength(text)
  return varintSize(length) + length
}

function expectRecord(timestamp: number, key: Field, value: Field, headers: readonly HeaderField[]): void {
  if (!Number.isSafeInteger(timestamp)) throw notATimestamp(timestamp)
  if (!isField(key)) throw notAField('key', key)
  if (!isField(value)) throw notAField('value', value)
  if (headers !== noHeaders) expectHeaders(headers)
}

function isField(given: unknown): boolean {
  return given === null || typeof given === 'string' || given instanceof Uint8Array
}

function notAField(name: string, given: unknown): TypeError {
  return new TypeError(`Expected \`${name}\` to be a string, a Uint8Array or null, got ${shown(given)}`)
}

function notADelta(given: unknown): TypeError {
  return new TypeError(`Expected \`offsetDelta\` to be an integer from 0 to ${largestDelta}, got ${shown(given)}`)
}

function notATimestamp(given: unknown): TypeError {
  return new TypeError(`Expected \`timestamp\` to be an integer, milliseconds since 1970 or -1 for none, got ${shown(given)}`)
}

function expectHeaders(headers: readonly HeaderField[]): void {
  if (!Array.isArray(headers)) throw new TypeError(`Expected \`headers\` to be an array of { key, value }, got ${shown(headers)}`)
  for (const header of headers) {
    if (typeof header?.key !== 'string')
      throw new TypeError(`Expected \`headers\` to hold { key, value } with a string as key, got ${shown(header)}`)
    if (!isField(header.value)) throw notAField(`headers[].value`, header.value)
  }
}

const int16 = [-1, 2 ** 15 - 1] as const
const int32 = [-1, 2 ** 31 - 1] as const
const int64 = [-1, Number.MAX_SAFE_INTEGER] as const
const stampRanges: { readonly [N in keyof BatchStamp]-?: readonly [number, number] | 'boolean' } = {
  baseOffset: [0, Number.MAX_SAFE_INTEGER],
  leaderEpoch: int32,
  producerId: int64,
  producerEpoch: int16,
  baseSequence: int32,
  transactional: 'boolean',
  control: 'boolean',
  logAppendTime: int64,
  lastOffsetDelta: [0, largestDelta]
}
export const stampNames: readonly string[] = Object.keys(stampRanges)

/** Checks what is to stand in a header. Batches are many, so it makes nothing. */
export function expectStamp(stamp: BatchStamp): void {
  if (stamp?.constructor !== Object) expectKnownKeys('a batch', stamp, stampNames)
  for (const name in stamp) {
    const range = stampRanges[name as keyof BatchStamp]
    const value: unknown = stamp[name as keyof BatchStamp]
    if (range === undefined) return expectKnownKeys('a batch', stamp, stampNames)
    if (value === undefined) continue
    if (range === 'boolean') expectBoolean(name, value)
    else expectInteger(name, value, range[0], range[1])
  }
}

function mostBytes(content: Field): number {
  return content === null ? 0 : typeof content === 'string' ? 3 * content.length : content.length
}

function mostHeadersSize(headers: readonly HeaderField[]): number {
  let size = 0
  for (let i = 0; i < headers.length; i++) size += mostHeaderOverhead + mostBytes(headers[i].key) + mostBytes(headers[i].value)
  return size
}

function writeHeaders(bytes: Uint8Array, position: number, headers: readonly HeaderField[]): number {
  position = writeLength(bytes, position, headers.length)
  for (let i = 0; i < headers.length; i++) {
    position = writeText(bytes, position, headers[i].key)
    position = writeField(bytes, position, headers[i].value)
  }
  return position
}

/** Writes a varint that is not negative; those of up to 13 bits, which most are, without a loop. */
function writeLength(bytes: Uint8Array, position: number, length: number): number {
  if (length < 0x40) {
    bytes[position] = length << 1
    return position + 1
  }
  if (length < 0x2000) {
    bytes[position] = (length << 1) | 0x80
    bytes[position + 1] = length >>> 6
    return position + 2
  }
  return writeVarint(bytes, position, length)
}

function writeField(bytes: Uint8Array, position: number, content: Field): number {
  if (typeof content === 'string') return writeText(bytes, position, content)
  if (content === null) {
    bytes[position] = 1
    return position + 1
  }
  const length = content.length
  const start = writeLength(bytes, position, length)
  if (length <= shortBytes) for (let i = 0; i < length; i++) bytes[start + i] = content[i]
  else bytes.set(content, start)
  return start + length
}

function writeText(bytes: Uint8Array, position: number, text: string): number {
  const length = text.length
  const start = writeLength(bytes, position, length)
  if (length <= shortText) {
    let i = 0
    for (; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= 0x80) break
      bytes[start + i] = unit
    }
    if (i === length) return start + length
  }
  const written = writeUtf8(bytes, start, text)
  if (written === length) return start + length
  const shift = varintSize(written) - varintSize(length)
  if (shift !== 0) bytes.copyWithin(start + shift, start, start + written)
  return writeLength(bytes, position, written) + written
}
