import { type Random, randomInteger } from '../common/random.js'

/** The content that a sync makes durable when it ends. */
export interface ContentSnapshot {
  readonly bytes: Uint8Array
  readonly length: number
  readonly number: number
  /** Up to here the file has not changed since. */
  unchanged: number
}

const sectorBytes = 512

/**
 * The bytes of a file on a simulated disk: as processes see them, and as they are known to survive
 * a power cut.
 */
export class DiskContent {
  length = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #durable: ContentSnapshot = { bytes: this.#bytes, length: 0, number: 0, unchanged: 0 }
  /** Snapshots whose sync is under way. */
  readonly #syncing = new Set<ContentSnapshot>()
  #snapshots = 0
  /**
   * The end of what a failed sync was to write: the operating system takes it for written, so no
   * later sync writes it either.
   */
  #forgottenFrom = 0
  #forgottenTo = 0
  /** From here on nobody has written anything: the file was only made longer. */
  #holeFrom = Number.POSITIVE_INFINITY

  /** Makes the file longer, by zeros that take no room on the disk. */
  extend(length: number): void {
    const holeFrom = Math.min(this.#holeFrom, this.length)
    this.append(new Uint8Array(length))
    this.#holeFrom = holeFrom
  }

  append(more: Uint8Array): void {
    this.#holeFrom = Number.POSITIVE_INFINITY
    const end = this.length + more.length
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, this.length))
      this.#bytes = larger
    }
    this.#bytes.set(more, this.length)
    this.length = end
  }

  truncate(length: number): void {
    if (length >= this.length) return
    // Snapshots are views of the bytes as they were, so what is cut off is not written over.
    this.#bytes = this.#bytes.slice(0, length)
    this.length = length
    if (this.#holeFrom >= length) this.#holeFrom = Number.POSITIVE_INFINITY
    for (const snapshot of [this.#durable, ...this.#syncing]) snapshot.unchanged = Math.min(snapshot.unchanged, length)
    this.#forgottenTo = Math.min(this.#forgottenTo, length)
  }

  read(start: number, end: number): Uint8Array {
    return this.#bytes.slice(start, Math.min(end, this.length))
  }

  beginSync(): ContentSnapshot {
    const snapshot = { bytes: this.#bytes, length: this.length, number: ++this.#snapshots, unchanged: this.length }
    this.#syncing.add(snapshot)
    return snapshot
  }

  endSync(snapshot: ContentSnapshot): void {
    this.#syncing.delete(snapshot)
    if (snapshot.number > this.#durable.number) this.#durable = snapshot
  }

  failSync(snapshot: ContentSnapshot): void {
    this.#syncing.delete(snapshot)
    const from = Math.min(this.#durable.unchanged, snapshot.unchanged)
    this.#forgottenFrom = this.#forgottenTo > 0 ? Math.min(this.#forgottenFrom, from) : from
    this.#forgottenTo = Math.max(this.#forgottenTo, snapshot.unchanged)
  }

  flipBit(position: number, bit: number): void {
    const mask = 1 << bit
    this.#bytes[position] ^= mask
    const { bytes, length } = this.#durable
    if (bytes !== this.#bytes && position < length) bytes[position] ^= mask
  }

  /** Makes all of it durable: the file as it would be on a disk that was bought with it. */
  settle(): void {
    this.endSync(this.beginSync())
    this.#forgottenTo = 0
  }

  /**
   * The process is gone: nobody waits for its syncs, and a new one writes all that is not known to
   * be written.
   */
  loseProcess(): void {
    this.#syncing.clear()
    this.#forgottenTo = 0
  }

  /**
   * The power is gone. What was synced and not touched since is as it was. Of what was added, as
   * many bytes are there as the file system had noted, and each sector holds what was written, or
   * zeros, or rarely what nobody wrote. A cut that had not reached the disk never happened.
   */
  losePower(random: Random): void {
    const safe = Math.min(this.#durable.unchanged, this.#forgottenTo > 0 ? this.#forgottenFrom : Number.POSITIVE_INFINITY)
    const wasCut = this.#durable.unchanged < this.#durable.length
    if (wasCut && random.next() < 0.5) {
      this.#bytes = this.#durable.bytes.slice(0, this.#durable.length)
      this.length = this.#durable.length
    } else if (this.length > safe) this.#loseSectors(random, safe)
    this.#syncing.clear()
    this.settle()
  }

  #loseSectors(random: Random, safe: number): void {
    const smallest = Math.min(this.#durable.unchanged, this.length)
    const chance = random.next()
    const kept = chance < 0.3 ? this.length : chance < 0.5 ? smallest : smallest + randomInteger(random, this.length - smallest + 1)
    const after = this.#bytes.slice(0, kept)
    for (let start = safe - (safe % sectorBytes); start < kept; start += sectorBytes) {
      const fate = random.next()
      if (fate < 0.7) continue
      const end = Math.min(start + sectorBytes, kept)
      after.fill(0, Math.max(start, safe), end)
      if (fate > 0.97) for (let i = Math.max(start, safe); i < Math.min(end, this.#holeFrom); i++) after[i] = randomInteger(random, 256)
    }
    this.#bytes = after
    this.length = kept
  }
}
