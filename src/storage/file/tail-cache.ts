import { lend } from '../../common/lease.js'
import { ChunkPool } from '../memory/chunk-pool.js'

/**
 * Bytes at the end of a file, in memory, from `start` on; `readers` counts the views of them that
 * are lent out.
 */
interface Chunk {
  readonly bytes: Uint8Array
  readonly start: number
  used: number
  readers: number
  dropped: boolean
}

/**
 * The last bytes of the files that are being written, so that those who read right behind the
 * writers never touch the disk. Each file keeps up to two chunks of at most 1 MiB; all together
 * keep `maxBytes`, and the file that was written longest ago forgets its tail first. Where a
 * mebibyte has gone by that nobody read, nobody reads right behind the writer, and nothing is kept
 * until somebody does.
 */
export class TailCache {
  readonly #maxBytes: number
  readonly #pool: ChunkPool
  /** In order of their last write, the oldest first. */
  readonly #tails = new Map<Tail, true>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#pool = new ChunkPool(maxBytes)
  }

  tail(): Tail {
    return new Tail(this)
  }

  /** Memory for a chunk of a tail that now counts as written last. */
  take(owner: Tail, neededBytes: number): Uint8Array {
    const bytes = this.#pool.take(neededBytes)
    this.#bytes += bytes.length
    for (const tail of this.#tails.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      if (tail !== owner) tail.forget()
    }
    return bytes
  }

  give(bytes: Uint8Array): void {
    this.#pool.give(bytes)
  }

  /** Leaves memory that nobody uses to the garbage collector. */
  releaseMemory(): void {
    this.#pool.clear()
  }

  wrote(owner: Tail): void {
    this.#tails.delete(owner)
    this.#tails.set(owner, true)
  }

  dropped(owner: Tail, byteCount: number, empty: boolean): void {
    this.#bytes -= byteCount
    if (empty) this.#tails.delete(owner)
  }
}

/** The tail of one file. What one `append` adds lies in one chunk. */
export class Tail {
  readonly #cache: TailCache
  #chunks: Chunk[] = []
  /** The number of bytes added since the last read. */
  #unreadBytes = 0

  constructor(cache: TailCache) {
    this.#cache = cache
  }

  /** The position from which on the file's bytes are here; the file's end when nothing is. */
  get start(): number {
    return this.#chunks.length > 0 ? this.#chunks[0].start : Number.POSITIVE_INFINITY
  }

  append(position: number, bytes: Uint8Array): void {
    this.#unreadBytes += bytes.length
    if (this.#unreadBytes > maxChunkBytes) return this.forget()
    let last = this.#chunks.at(-1)
    if (last && last.start + last.used !== position) {
      this.forget()
      last = undefined
    }
    if (!last || last.used + bytes.length > last.bytes.length) {
      const size = last ? Math.min(last.bytes.length * 2, maxChunkBytes) : minChunkBytes
      last = { bytes: this.#cache.take(this, Math.max(size, bytes.length)), start: position, used: 0, readers: 0, dropped: false }
      this.#chunks.push(last)
      if (this.#chunks.length > 2) this.#drop(this.#chunks.shift() as Chunk)
    }
    last.bytes.set(bytes, last.used)
    last.used += bytes.length
    this.#cache.wrote(this)
  }

  /**
   * A lent view of up to `maxBytes` bytes from `position` on, or undefined when they are not here.
   */
  read(position: number, maxBytes: number): Uint8Array | undefined {
    this.#unreadBytes = 0
    for (const chunk of this.#chunks) {
      if (position < chunk.start || position >= chunk.start + chunk.used) continue
      // A chunk that a borrower transferred is still on the disk.
      if (chunk.bytes.length === 0) break
      const from = position - chunk.start
      chunk.readers++
      return lend(chunk.bytes.subarray(from, Math.min(from + maxBytes, chunk.used)), () => {
        if (--chunk.readers === 0 && chunk.dropped) this.#cache.give(chunk.bytes)
      })
    }
    return undefined
  }

  forget(): void {
    while (this.#chunks.length > 0) this.#drop(this.#chunks.shift() as Chunk)
  }

  #drop(chunk: Chunk): void {
    chunk.dropped = true
    this.#cache.dropped(this, chunk.bytes.length, this.#chunks.length === 0)
    if (chunk.readers === 0) this.#cache.give(chunk.bytes)
  }
}

const minChunkBytes = 16 * 1024
const maxChunkBytes = 1024 * 1024
