export const minChunkBytes = 4 * 1024
export const maxChunkBytes = 1024 * 1024

/** Memory that is free again, by size: powers of two from 4 KiB to 1 MiB. Touching fresh memory costs more than copying a record into it. */
export class ChunkPool {
  freeBytes = 0
  readonly #maxFreeBytes: number
  readonly #free = new Map<number, Uint8Array[]>()

  constructor(maxFreeBytes: number) {
    this.#maxFreeBytes = maxFreeBytes
  }

  /** A chunk of at least `neededBytes`; a huge one is exactly as large as needed. */
  take(neededBytes: number): Uint8Array {
    if (neededBytes > maxChunkBytes) return new Uint8Array(neededBytes)
    let size = minChunkBytes
    while (size < neededBytes) size *= 2
    const free = this.#free.get(size)?.pop()
    if (!free) return new Uint8Array(size)
    this.freeBytes -= size
    return free
  }

  give(bytes: Uint8Array): void {
    if (bytes.length > maxChunkBytes || this.freeBytes + bytes.length > this.#maxFreeBytes) return
    const free = this.#free.get(bytes.length)
    if (free) free.push(bytes)
    else this.#free.set(bytes.length, [bytes])
    this.freeBytes += bytes.length
  }
}
