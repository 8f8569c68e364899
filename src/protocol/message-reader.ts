import { readInt16, readInt32, readInt64, readText } from '../common/bytes.js'
import { KafkaError } from '../errors.js'
import { type Field, includesVersion } from './message.js'
import { longestText } from './message-writer.js'

/**
 * The most array elements and tagged fields of one message, unless a caller says less. A hundred
 * megabytes could otherwise claim fifty million tiny objects.
 */
const defaultMaxElements = 1_000_000

/**
 * A message being read. Every step is checked against the end of the bytes: what comes from outside
 * may say anything.
 */
export class MessageReader {
  readonly #bytes: Uint8Array
  readonly #maxElements: number
  #elementCount = 0
  position: number

  constructor(bytes: Uint8Array, position = 0, maxElements = defaultMaxElements) {
    this.#bytes = bytes
    this.position = position
    this.#maxElements = maxElements
  }

  /** The number of array elements and tagged fields so far. */
  get elementCount(): number {
    return this.#elementCount
  }

  get remaining(): number {
    return this.#bytes.length - this.position
  }

  int8(): number {
    const position = this.#take(1)
    return (this.#bytes[position] << 24) >> 24
  }

  int16(): number {
    return readInt16(this.#bytes, this.#take(2))
  }

  int32(): number {
    return readInt32(this.#bytes, this.#take(4))
  }

  int64(): number {
    return readInt64(this.#bytes, this.#take(8))
  }

  float64(): number {
    const position = this.#take(8)
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + position, 8).getFloat64(0)
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#take(1)]
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw malformed('a varint is longer than five bytes')
  }

  /** The length of an array or of bytes; -1 for null. */
  count(flexible: boolean): number {
    return flexible ? this.uvarint() - 1 : this.int32()
  }

  text(length: number): string {
    if (length > longestText) throw malformed(`a string claims ${length} bytes`)
    const position = this.#take(length)
    return readText(this.#bytes, position, position + length)
  }

  /** A view of the next bytes, not a copy. */
  raw(length: number): Uint8Array {
    const position = this.#take(length)
    return this.#bytes.subarray(position, position + length)
  }

  null(field: Field, version: number): null {
    if (!includesVersion(field.nullable, version)) throw malformed('a field that may not be null is null')
    return null
  }

  /**
   * Refuses a count that cannot be true, before anything is allocated for it: every element takes
   * at least a byte.
   */
  expectElements(count: number): void {
    if (count > this.remaining) throw malformed(`an array claims ${count} elements in ${this.remaining} bytes`)
    this.#elementCount += count
    if (this.#elementCount > this.#maxElements) throw malformed(`it has more than ${this.#maxElements} elements`)
  }

  positionAfter(length: number): number {
    if (length > this.remaining) throw malformed(`${length} bytes are announced where ${this.remaining} are left`)
    return this.position + length
  }

  #take(count: number): number {
    const position = this.position
    if (count > this.#bytes.length - position) this.positionAfter(count)
    this.position = position + count
    return position
  }
}

function malformed(reason: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', `The message is malformed: ${reason}`)
}
