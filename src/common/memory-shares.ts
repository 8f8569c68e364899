/** Bytes that one kind of thing may hold on behalf of records, and holds. */
export class MemoryShare {
  readonly #maxBytes: () => number
  #takenBytes = 0

  constructor(maxBytes: () => number) {
    this.#maxBytes = maxBytes
  }

  get maxBytes(): number {
    return this.#maxBytes()
  }

  get takenBytes(): number {
    return this.#takenBytes
  }

  get freeBytes(): number {
    return Math.max(0, this.maxBytes - this.#takenBytes)
  }

  take(bytes: number): void {
    this.#takenBytes += bytes
  }

  give(bytes: number): void {
    this.#takenBytes -= bytes
  }
}

/**
 * The number that bounds a cluster's memory, shared out: each part keeps to its own share, so that
 * none waits for another.
 */
export class MemoryShares {
  readonly maxBytes: number
  /**
   * Partitions in memory, with what of them is lent; on a disk what is read from it for readers.
   * All that the others do not have.
   */
  readonly records: MemoryShare
  readonly #producers: MemoryShare
  readonly #connections: MemoryShare
  #hasProducers = false
  #hasConnections = false

  constructor(maxBytes: number) {
    const eighth = Math.floor(maxBytes / 8)
    this.maxBytes = maxBytes
    this.records = new MemoryShare(() => maxBytes - (this.#hasProducers ? eighth : 0) - (this.#hasConnections ? eighth : 0))
    this.#producers = new MemoryShare(() => eighth)
    this.#connections = new MemoryShare(() => eighth)
  }

  /**
   * Records that producers of this process have not delivered: an eighth, from the first producer
   * on.
   */
  forProducers(): MemoryShare {
    this.#hasProducers = true
    return this.#producers
  }

  /**
   * Requests that arrive over the wire, and answers that leave: an eighth, from the first listener
   * on.
   */
  forConnections(): MemoryShare {
    this.#hasConnections = true
    return this.#connections
  }
}
