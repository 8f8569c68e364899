import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { allDone } from '../all-done.js'
import { InOrder } from '../in-order.js'
import type { Segment } from './segment.js'
import type { SegmentRead } from './segment-reader.js'

/**
 * The number of old segments with their indexes in memory: more than readers usually use at once.
 */
const maxLoadedSegments = 8
const nothing = new Uint8Array(0)

/**
 * The segments of a log in the order of their offsets; the last one is active, it takes the
 * batches.
 */
export class SegmentList {
  #segments: Segment[]
  #sizeInBytes = 0
  #removedBytes = 0
  readonly #onFailure: (cause: unknown) => void
  /** Old segments whose indexes are in memory, the one used longest ago first. */
  readonly #loaded = new Set<Segment>()
  readonly #inOrder = new InOrder()
  #hasFailed = false
  /** Files on their way out, which nobody waits for but `removals`. */
  readonly #removals = new Set<Promise<void>>()
  /**
   * Segments that have left the list and have readers; their files are open until these are done.
   */
  readonly #stillRead = new Set<Segment>()

  /** `onFailure` is told when the files of a segment could not be removed. */
  constructor(segments: Segment[], onFailure: (cause: unknown) => void) {
    this.#segments = segments
    this.#onFailure = onFailure
    this.recount()
  }

  get all(): readonly Segment[] {
    return this.#segments
  }

  get count(): number {
    return this.#segments.length
  }

  get active(): Segment {
    return this.#segments[this.#segments.length - 1]
  }

  /** Bytes of all segments, as counted by `grow`, `remove` and `recount`. */
  get sizeInBytes(): number {
    return this.#sizeInBytes
  }

  /** Bytes of all segments that were removed since the list was made. */
  get removedBytes(): number {
    return this.#removedBytes
  }

  /** Bytes from the batch that holds `offset` on, as far as the indexes in memory tell. */
  bytesFrom(offset: number): number {
    const index = this.indexOf(offset)
    let bytes = -this.#segments[index].bytesBefore(offset)
    for (let i = index; i < this.#segments.length; i++) bytes += this.#segments[i].sizeInBytes
    return bytes
  }

  /** Notes that the active segment has grown. */
  grow(bytes: number): void {
    this.#sizeInBytes += bytes
  }

  recount(): void {
    this.#sizeInBytes = 0
    for (const segment of this.#segments) this.#sizeInBytes += segment.sizeInBytes
  }

  at(index: number): Segment | undefined {
    return this.#segments[index]
  }

  /** Index of the last segment that starts at or before `offset`, or 0. */
  indexOf(offset: number): number {
    return floorIndex(this.#segments, offset)
  }

  /**
   * Whole batches from that on which reaches the offset asked for, all of one segment; empty where
   * there is none.
   */
  read(request: SegmentRead, index = this.indexOf(request.offset)): MaybePromise<Uint8Array> {
    for (; index < this.#segments.length; index++) {
      const segment = this.#segments[index]
      if (segment.baseOffset >= request.upTo) break
      this.touch(segment)
      const bytes = segment.read(request)
      if (isPromise(bytes)) return bytes.then(found => found ?? this.read(request, this.#after(segment)))
      if (bytes) return bytes
    }
    return nothing
  }

  /**
   * The segment in which a reader goes on after the end of another. That segment may be gone by
   * now, or merged, and is then searched again.
   */
  #after(segment: Segment): number {
    const index = this.indexOf(segment.baseOffset)
    return this.#segments[index] === segment ? index + 1 : index
  }

  /**
   * Notes that an old segment is being used. Only a few have their indexes in memory, however many
   * there are.
   */
  touch(segment: Segment): void {
    if (segment === this.active) return
    this.limitLoaded(segment)
  }

  limitLoaded(segment: Segment): void {
    this.#loaded.delete(segment)
    this.#loaded.add(segment)
    if (this.#loaded.size <= maxLoadedSegments) return
    const [oldest] = this.#loaded
    this.#loaded.delete(oldest)
    if (oldest !== this.active) oldest.indexer.unload()
  }

  /**
   * Lets something be done with the segments as they are now, whatever happens to them meanwhile.
   */
  async holding<T>(use: (segments: readonly Segment[]) => Promise<T>): Promise<T> {
    const held = this.#segments.slice()
    for (const segment of held) segment.lifetime.hold()
    try {
      return await use(held)
    } finally {
      for (const segment of held) await segment.lifetime.release()
    }
  }

  push(segment: Segment): void {
    this.#segments.push(segment)
  }

  /**
   * Takes segments out of the list and their files out of the storage. Returns the bytes they had.
   * The files go from the outside in, one after the other, so that whenever a crash comes there is
   * no gap.
   */
  remove(start: number, count: number): number {
    let bytes = 0
    const removed = this.#segments.splice(start, count)
    for (const segment of removed) {
      bytes += segment.sizeInBytes
      this.#loaded.delete(segment)
      segment.lifetime.retire()
      this.#noteIfRead(segment)
    }
    this.#sizeInBytes -= bytes
    this.#removedBytes += bytes
    if (start > 0) removed.reverse()
    for (const segment of removed) this.#await(() => this.#inOrder.run(() => this.#retire(segment)))
    return bytes
  }

  /** Removes files; after one that could not be removed, the later ones stay. */
  #retire(segment: Segment): MaybePromise<void> {
    if (this.#hasFailed) return segment.abandon()
    const failed = (error: unknown): never => {
      this.#hasFailed = true
      throw error
    }
    try {
      const retired = segment.retire()
      return isPromise(retired) ? retired.catch(failed) : retired
    } catch (error) {
      failed(error)
    }
  }

  /** Puts one segment in the place of several, whose files are gone already. */
  replace(start: number, count: number, segment: Segment): void {
    for (const replaced of this.#segments.splice(start, count, segment)) {
      this.#loaded.delete(replaced)
      this.#noteIfRead(replaced)
      this.#await(() => replaced.abandon())
    }
    this.recount()
  }

  /** Resolves when the files of all removed segments are gone. */
  async removals(): Promise<void> {
    await Promise.all(this.#removals)
  }

  /** Closes all files, after the reads that are under way. */
  async close(): Promise<void> {
    await this.removals()
    await allDone([...this.#segments, ...this.#stillRead].map(segment => segment.lifetime.close()))
  }

  #noteIfRead(segment: Segment): void {
    for (const read of this.#stillRead) if (!read.lifetime.isHeld) this.#stillRead.delete(read)
    if (segment.lifetime.isHeld) this.#stillRead.add(segment)
  }

  #await(end: () => MaybePromise<void>): void {
    let ended: MaybePromise<void>
    try {
      ended = end()
    } catch (error) {
      this.#onFailure(error)
      return
    }
    if (!isPromise(ended)) return
    const removal: Promise<void> = ended.catch(this.#onFailure).finally(() => this.#removals.delete(removal))
    this.#removals.add(removal)
  }
}

/**
 * Index of the last segment that starts at or before `offset`, or 0: as many lie wholly before it.
 */
export function floorIndex(segments: readonly Segment[], offset: number): number {
  let low = 0
  let high = segments.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (segments[middle].baseOffset <= offset) low = middle
    else high = middle - 1
  }
  return low
}
