import { whenReleased } from '../common/lease.js'
import type { MemoryShare } from '../common/memory-shares.js'

/**
 * However little is left, a fetch may have so much of each answer: readers go on, in small steps.
 */
const leastBytes = 64 * 1024

/**
 * The bytes read from a disk for readers, until they give them back. Bytes in memory count with
 * their logs.
 */
export class FetchedBytes {
  readonly #share: MemoryShare
  readonly #isOnDisk: boolean
  /** A reader that does not give bytes back leaves them to the collector. */
  readonly #forgotten = new FinalizationRegistry<number>(bytes => this.#share.give(bytes))

  constructor(share: MemoryShare, isOnDisk: boolean) {
    this.#share = share
    this.#isOnDisk = isOnDisk
  }

  /** The most bytes of an answer: readers at the same time share what is left. */
  get mostBytes(): number {
    return this.#isOnDisk ? Math.max(leastBytes, this.#share.freeBytes >> 2) : Number.MAX_SAFE_INTEGER
  }

  /** Counts bytes that were read, until they are released. */
  count(bytes: Uint8Array): void {
    const { length } = bytes
    if (!this.#isOnDisk || length === 0) return
    this.#share.take(length)
    this.#forgotten.register(bytes, length, bytes)
    whenReleased(bytes, () => {
      this.#forgotten.unregister(bytes)
      this.#share.give(length)
    })
  }
}
