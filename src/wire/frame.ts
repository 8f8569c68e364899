import { readInt32 } from '../common/bytes.js'
import { KafkaError } from '../errors.js'
import type { FrameMemory } from './frame-memory.js'

/**
 * Cuts a stream of bytes into frames, in the pieces in which the bytes happen to arrive:
 *     stream := frame*     frame := size: int32, payload: size bytes
 * A frame that arrived whole is a view of what arrived; one in several pieces is gathered, once, in
 * memory of its own, or from `memory`.
 */
export class FrameReader {
  readonly #maxBytes: () => number
  readonly #memory: FrameMemory | undefined
  /** The bytes of a size that is not complete yet. */
  readonly #sizeBytes = new Uint8Array(4)
  #sizeLength = 0
  #frame: Uint8Array | undefined
  #frameSize = -1
  #frameLength = 0

  /** `maxBytes` is asked for the largest frame that is accepted whenever one begins. */
  constructor(maxBytes: () => number, memory?: FrameMemory) {
    this.#maxBytes = maxBytes
    this.#memory = memory
  }

  /** The size of the arriving frame, or -1 between two frames. */
  get pendingSize(): number {
    return this.#frameSize
  }

  /**
   * Memory that the frame takes that is arriving: it grows with what has arrived, whatever was
   * announced.
   */
  get heldBytes(): number {
    return this.#frame?.length ?? 0
  }

  /** Bytes of the frame that have arrived. */
  get arrivedBytes(): number {
    return this.#frameLength
  }

  /** True if a part of a frame has arrived, and the rest is missing. */
  get midFrame(): boolean {
    return this.#frameSize >= 0 || this.#sizeLength > 0
  }

  /**
   * The frames that are complete with what arrived. Throws a `KafkaError` INVALID_REQUEST when a
   * size is negative or beyond the limit.
   */
  *push(arrived: Uint8Array): Generator<Uint8Array, void, void> {
    // A socket gives Buffers, whose `slice` does not copy: nobody above the wire should have to
    // think of that.
    const bytes = new Uint8Array(arrived.buffer, arrived.byteOffset, arrived.length)
    let position = 0
    while (position < bytes.length) {
      if (this.#frameSize < 0) {
        position = this.#readSize(bytes, position)
        if (this.#frameSize < 0) return
      }
      const missing = this.#frameSize - this.#frameLength
      if (this.#frameLength === 0 && bytes.length - position >= missing) {
        const whole = bytes.subarray(position, position + missing)
        position += missing
        this.#frameSize = -1
        yield whole
      } else {
        position = this.#gather(bytes, position, missing)
        if (this.#frameLength < this.#frameSize) return
        const whole = (this.#frame as Uint8Array).subarray(0, this.#frameSize)
        this.#frame = undefined
        this.#frameSize = -1
        this.#frameLength = 0
        yield whole
      }
    }
  }

  #readSize(bytes: Uint8Array, position: number): number {
    while (this.#sizeLength < 4) {
      if (position === bytes.length) return position
      this.#sizeBytes[this.#sizeLength++] = bytes[position++]
    }
    this.#sizeLength = 0
    const size = readInt32(this.#sizeBytes, 0)
    const maxBytes = this.#maxBytes()
    if (size < 0 || size > maxBytes) {
      throw new KafkaError('INVALID_REQUEST', `A frame announces ${size} bytes, where 0 to ${maxBytes} are accepted`)
    }
    this.#frameSize = size
    return position
  }

  /** Memory grows with what has arrived, not with what was announced. */
  #gather(bytes: Uint8Array, position: number, missing: number): number {
    const taken = Math.min(missing, bytes.length - position)
    const needed = this.#frameLength + taken
    if (!this.#frame || needed > this.#frame.length) {
      const isShared = this.#memory && needed >= leastFromMemory && this.#frameSize <= largestFromMemory
      const grown = isShared
        ? this.#memory.take(this.#frameSize)
        : new Uint8Array(Math.min(this.#frameSize, Math.max(needed * growth, firstAllocation)))
      if (this.#frame) grown.set(this.#frame.subarray(0, this.#frameLength))
      this.#frame = grown
    }
    this.#frame.set(bytes.subarray(position, position + taken), this.#frameLength)
    this.#frameLength = needed
    return position + taken
  }
}

const firstAllocation = 4 * 1024
/** Memory has room for so many times as much as has arrived. */
const growth = 4
/**
 * A frame of which so much has arrived, and that is no larger than the next, gets shared memory for
 * all of it.
 */
const leastFromMemory = 16 * 1024
const largestFromMemory = 1024 * 1024
