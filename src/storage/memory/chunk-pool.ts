import { givenBack } from '../../common/poison.js'

export const minChunkBytes = 4 * 1024
export const maxChunkBytes = 1024 * 1024

/**
 * A read that finds fewer bytes than this in a chunk, though there are more, copies: less work than
 * another fetch.
 */
export const leastPieceBytes = 64 * 1024

/**
 * Memory that is free again, by size: powers of two from 4 KiB to, usually, 1 MiB. Touching fresh
 * memory costs more than copying a record into it.
 */
export class ChunkPool {
  freeBytes = 0
  readonly #maxFreeBytes: number
  readonly #largestChunk: number
  readonly #free = new Map<number, Uint8Array[]>()

  /** Chunks of more than `largestChunk` bytes are not kept. */
  constructor(maxFreeBytes: number, largestChunk = maxChunkBytes) {
    this.#maxFreeBytes = maxFreeBytes
    this.#largestChunk = largestChunk
  }

  /** A chunk of at least `neededBytes`; a huge one is exactly as large as needed. */
  take(neededBytes: number): Uint8Array {
    if (neededBytes > this.#largestChunk) return new Uint8Array(neededBytes)
    let size = minChunkBytes
    while (size < neededBytes) size *= 2
    const free = this.#free.get(size)?.pop()
    if (!free) return new Uint8Array(size)
    this.freeBytes -= size
    return free
  }

  /** Leaves all that is free to the garbage collector. */
  clear(): void {
    this.freeBytes = 0
    this.#free.clear()
  }

  /**
   * Takes a chunk back that nobody writes to and that no view is lent of. Its next taker overwrites
   * it.
   */
  give(bytes: Uint8Array): void {
    givenBack(bytes)
    // A buffer that a borrower transferred is gone.
    if (bytes.length === 0) return
    if (bytes.length > this.#largestChunk || this.freeBytes + bytes.length > this.#maxFreeBytes) return
    const free = this.#free.get(bytes.length)
    if (free) free.push(bytes)
    else this.#free.set(bytes.length, [bytes])
    this.freeBytes += bytes.length
  }
}
