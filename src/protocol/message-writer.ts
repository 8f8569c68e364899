import { concatBytes, writeInt16, writeInt32, writeInt64, writeText } from '../common/bytes.js'
import { givenBack } from '../common/poison.js'

/**
 * Bytes of at least this length are referred to, not copied: below it a copy costs less than a
 * piece of its own.
 */
const longBytes = 1024
const firstCapacity = 256

/**
 * A message in the making: a buffer that grows, cut where long bytes stand in between. What was
 * written is had in one piece (`bytes`), or as the list of its pieces (`slices`), in which record
 * batches are the very arrays that were given: a Fetch answer of a megabyte goes from the log to
 * the socket without being copied.
 */
export class MessageWriter {
  #bytes: Uint8Array = new Uint8Array(firstCapacity)
  /** The start of the piece that is being written, and its end so far. */
  #start = 0
  #end = 0
  /** The pieces before it, and how many bytes they hold. */
  #pieces: Uint8Array[] = []
  #piecesLength = 0

  /** Begins anew, in the same memory. */
  reset(): this {
    givenBack(this.#bytes)
    this.#start = this.#end = this.#piecesLength = 0
    this.#pieces = []
    return this
  }

  get length(): number {
    return this.#piecesLength + this.#end - this.#start
  }

  /** The written bytes, in one piece; valid until the next write. */
  bytes(): Uint8Array {
    return this.#pieces.length === 0 ? this.#bytes.subarray(0, this.#end) : concatBytes(this.slices())
  }

  /**
   * The written pieces, in order; valid until the next write, and as long as the bytes that were
   * given to `raw` stay as they are.
   */
  slices(): Uint8Array[] {
    return this.#end === this.#start ? [...this.#pieces] : [...this.#pieces, this.#bytes.subarray(this.#start, this.#end)]
  }

  int8(value: number): void {
    const position = this.#grow(1)
    this.#bytes[position] = value
  }

  int16(value: number): void {
    const position = this.#grow(2)
    writeInt16(this.#bytes, position, value)
  }

  int32(value: number): void {
    const position = this.#grow(4)
    writeInt32(this.#bytes, position, value)
  }

  int64(value: number): void {
    const position = this.#grow(8)
    // The largest number of 64 bits is read as 2^63, for want of a number that is nearer.
    if (value < 2 ** 63) return writeInt64(this.#bytes, position, value)
    writeInt32(this.#bytes, position, 0x7fffffff)
    writeInt32(this.#bytes, position + 4, -1)
  }

  float64(value: number): void {
    const position = this.#grow(8)
    new DataView(this.#bytes.buffer, this.#bytes.byteOffset + position, 8).setFloat64(0, value)
  }

  uvarint(value: number): void {
    let rest = value >>> 0
    while (rest > 0x7f) {
      this.int8((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.int8(rest)
  }

  /** The length of an array or of bytes. */
  count(length: number, flexible: boolean): void {
    if (flexible) this.uvarint(length + 1)
    else this.int32(length)
  }

  /**
   * A text with its length before it; returns false, having written nothing, when it takes more
   * than the 32767 bytes that Kafka allows.
   */
  text(text: string, flexible: boolean): boolean {
    const lengthSize = !flexible || text.length > 41 ? 2 : 1 // 41 UTF-16 units take at most 123 bytes, whose length fits one byte
    const start = this.#grow(3 + text.length * 3)
    let length = writeText(this.#bytes, start + lengthSize, text)
    if (length > longestText) {
      this.#end = start
      return false
    }
    if (!flexible) writeInt16(this.#bytes, start, length)
    else if (lengthSize === 1) this.#bytes[start] = length + 1
    else length += this.#textLength(start, length)
    this.#end = start + lengthSize + length
    return true
  }

  /** Bytes as they are. Long ones are referred to, not copied. */
  raw(bytes: Uint8Array): void {
    if (bytes.length >= longBytes) return this.#cut(bytes)
    const position = this.#grow(bytes.length)
    this.#bytes.set(bytes, position)
  }

  /** Overwrites the first four bytes: the size of a frame is known when the frame is complete. */
  setFirstInt32(value: number): void {
    writeInt32(this.#pieces[0] ?? this.#bytes, 0, value)
  }

  #cut(bytes: Uint8Array): void {
    if (this.#end > this.#start) this.#pieces.push(this.#bytes.subarray(this.#start, this.#end))
    this.#pieces.push(bytes)
    this.#piecesLength += this.#end - this.#start + bytes.length
    this.#start = this.#end
  }

  /**
   * Writes the length of a long text as a varint into the two bytes left for it; moves the text
   * when it takes three. Returns the bytes added.
   */
  #textLength(start: number, length: number): number {
    const value = length + 1
    this.#bytes[start] = (value & 0x7f) | 0x80
    if (value < 0x4000) {
      this.#bytes[start + 1] = value >> 7
      return 0
    }
    this.#bytes.copyWithin(start + 3, start + 2, start + 2 + length)
    this.#bytes[start + 1] = ((value >> 7) & 0x7f) | 0x80
    this.#bytes[start + 2] = value >> 14
    return 1
  }

  #grow(count: number): number {
    const position = this.#end
    this.#end += count
    if (this.#end > this.#bytes.length) return this.#move(position)
    return position
  }

  /** Goes on in a larger buffer; finished pieces stay where they are. */
  #move(end: number): number {
    const written = end - this.#start
    const needed = this.#end - this.#start
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(this.#start, end))
    this.#bytes = larger
    this.#start = 0
    this.#end = needed
    return written
  }
}

/** Kafka's own limit for a string, old or flexible. */
export const longestText = 0x7fff
