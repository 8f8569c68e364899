import type { MaybePromise } from '../../common/deferred.js'
import { release } from '../../common/lease.js'
import { KafkaError } from '../../errors.js'
import { baseOffsetAt, headerBytes, lastOffsetAt, maxTimestampAt } from '../../record/batch-header.js'
import type { Storage } from '../../storage/storage.js'
import { type BatchChain, ChainWalk } from './batch-chain.js'
import { type BatchFile, type BatchVisitor, walkBatches } from './batch-scan.js'
import { damageError } from './damage.js'
import { type IndexSuffix, SegmentIndexes } from './segment-indexes.js'
import type { SegmentLifetime } from './segment-lifetime.js'
import { type ScannedBatch, type SegmentScan, scanSegment } from './segment-scan.js'
import { SegmentTimestamps } from './segment-timestamps.js'

/** A segment whose batches are indexed. */
export interface IndexedSegment extends BatchFile {
  readonly path: string
  readonly baseOffset: number
  /** The offset after the last one that may be read. */
  readonly nextOffset: number
  readonly readableBytes: number
  readonly sizeInBytes: number
  readonly chain: BatchChain
  readonly lifetime: SegmentLifetime
  publish(readableBytes: number, nextOffset: number): void
  isDamaged(damage: KafkaError): KafkaError
  damagedAt(position: number, reason: string): KafkaError
}

/**
 * Keeps the indexes of a segment, and what is known of its timestamps, in step with its batches:
 * adds what is appended, loads the indexes from their files, checks them against the batches, and
 * builds them anew where they do not fit.
 */
export class SegmentIndexer {
  readonly indexes: SegmentIndexes
  readonly timestamps: SegmentTimestamps
  readonly #segment: IndexedSegment
  readonly #storage: Storage
  readonly #intervalBytes: number
  #loading: Promise<void> | undefined
  #learning: Promise<void> | undefined
  #rebuilding: Promise<void> | undefined
  #isSealed = false
  /** The largest timestamp of what stands before the place where the file was last cut. */
  #lastCut: { readonly position: number; readonly maxTimestamp: number; readonly offset: number } | undefined

  constructor(storage: Storage, segment: IndexedSegment, intervalBytes: number, now: number) {
    this.#storage = storage
    this.#segment = segment
    this.#intervalBytes = intervalBytes
    this.indexes = new SegmentIndexes(storage, segment.path, segment.baseOffset)
    this.timestamps = new SegmentTimestamps(segment.baseOffset, now)
  }

  /**
   * Takes note of a batch that stands at `position` of the file, or soon will; they come in order.
   */
  note(position: number, lastOffset: number, maxTimestamp: number, now: number): void {
    const { indexes, timestamps } = this
    indexes.areOnDisk = false
    timestamps.note(position, lastOffset, maxTimestamp, now)
    if (position - indexes.offsets.lastPosition > this.#intervalBytes) {
      indexes.offsets.append(lastOffset, position)
      indexes.times.maybeAppend(timestamps.largest, timestamps.offsetOfLargest)
    }
  }

  /** Takes the index files as they are, without a look at the batches. */
  trust(hasIndexFiles: boolean): void {
    this.#isSealed = true
    this.indexes.areLoaded = false
    this.indexes.areOnDisk = hasIndexFiles
    this.timestamps.nowUnknown()
  }

  /**
   * Adds what the time index lacks; called when no more batches will come, and again if they did
   * after all.
   */
  seal(): void {
    this.#isSealed = true
    this.indexes.times.maybeAppend(this.timestamps.largest, this.timestamps.offsetOfLargest)
  }

  /**
   * Brings the indexes into memory, from their files or, where these are missing or cannot be, from
   * the batches.
   */
  load(): MaybePromise<void> {
    if (this.indexes.areLoaded) return
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<void> {
    if (!this.#segment.lifetime.hasNames || !this.indexes.areOnDisk) return this.rebuild()
    const wrong = await this.indexes.read(this.#segment.sizeInBytes, this.#segment.nextOffset)
    if (wrong) return this.rebuild(wrong)
  }

  /** Frees the memory of indexes that are in files. */
  unload(): void {
    if (!this.#loading && !this.#learning) this.indexes.unload()
  }

  /**
   * Makes the largest timestamp known, where the segment was taken as it is: by the time index,
   * once that has been seen to be whole.
   */
  learnMaxTimestamp(): MaybePromise<void> {
    if (this.timestamps.isLargestKnown) return
    this.#learning ??= this.#learn().finally(() => {
      this.#learning = undefined
    })
    return this.#learning
  }

  async #learn(): Promise<void> {
    await this.load()
    if (this.timestamps.isLargestKnown) return
    const { lastTimestamp, lastOffset } = this.indexes.times
    if (!(await this.#isLargest(lastTimestamp, lastOffset, lastTimestamp))) return this.rebuild('timeindex')
    this.timestamps.learn(lastTimestamp, lastOffset)
  }

  /**
   * Builds the indexes anew from the batches that are readable, up to where these are damaged.
   * `wrong` is the one that does not fit them.
   */
  rebuild(wrong?: IndexSuffix): Promise<void> {
    this.#rebuilding ??= this.#rebuild(wrong).finally(() => {
      this.#rebuilding = undefined
    })
    return this.#rebuilding
  }

  async #rebuild(wrong: IndexSuffix | undefined): Promise<void> {
    const segment = this.#segment
    const { timestamps } = this
    const { readableBytes, nextOffset: limit } = segment
    const fresh = new SegmentIndexer(this.#storage, segment, this.#intervalBytes, timestamps.modifiedAt)
    const { end, fault } = await fresh.scan(() => {}, 0, readableBytes, limit)
    if (fault !== undefined) segment.isDamaged(segment.damagedAt(end, fault))
    else if (wrong) this.#tellOfIndex(wrong)
    // Batches that were appended meanwhile have their entries already.
    this.indexes.replaceBefore(readableBytes, limit, fresh.indexes)
    if (!timestamps.isLargestKnown || fresh.timestamps.largest > timestamps.largest)
      timestamps.learn(fresh.timestamps.largest, fresh.timestamps.offsetOfLargest)
    if (!this.#isSealed || fault !== undefined) return
    this.seal()
    if (this.#storage.durable && !this.#storage.readOnly && segment.lifetime.hasNames) await this.indexes.write()
  }

  /** With other writers the index may be older or newer than the file. */
  #tellOfIndex(wrong: IndexSuffix): void {
    if (this.#storage.readOnly) return
    const { chain, path } = this.#segment
    chain.damage.tell(damageError({ file: `${path}.${wrong}`, reason: 'it does not fit its log; it is made anew' }))
  }

  /** Resolves when nothing loads or builds the indexes any more. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#loading, this.#learning, this.#rebuilding])
  }

  /**
   * Checks the batches from the start of the file, or from where the indexes end, and indexes them,
   * as far as they are whole.
   */
  async scan(visit: ScannedBatch, from = 0, to = this.#segment.sizeInBytes, limit = Number.POSITIVE_INFINITY): Promise<SegmentScan> {
    const { file, chain, baseOffset } = this.#segment
    if (from === 0) {
      this.indexes.beginAnew()
      this.timestamps.beginAnew()
    }
    this.timestamps.nowKnown()
    const now = this.timestamps.modifiedAt
    const note: ScannedBatch = (bytes, position, filePosition) => {
      this.note(filePosition, lastOffsetAt(bytes, position), maxTimestampAt(bytes, position), now)
      visit(bytes, position, filePosition)
    }
    // A leader epoch that is damaged ends no log; readers are told of it.
    return scanSegment(file, new ChainWalk(chain, from === 0 ? baseOffset : -1, baseOffset, limit, false), from, note, to)
  }

  /**
   * Takes the batches of the last segment as they are, but for those after the last entry of its
   * indexes, which are checked and indexed.
   */
  async resume(hasIndexFiles: boolean): Promise<SegmentScan> {
    if (!hasIndexFiles) return this.scan(() => {})
    let wrong = await this.#resumeIndexes()
    if (!wrong) {
      const { lastTimestamp, lastOffset } = this.indexes.times
      const scan = await this.scan(() => {}, this.indexes.offsets.lastPosition)
      this.#segment.publish(scan.end, scan.nextOffset)
      await this.#readFirstTimestamp()
      if (scan.fault === undefined && (await this.#isLargest(lastTimestamp, lastOffset, this.timestamps.largest))) return scan
      wrong = 'timeindex'
    }
    const scan = await this.scan(() => {})
    if (scan.fault === undefined) this.#tellOfIndex(wrong)
    return scan
  }

  /** Returns which of the indexes cannot be right. */
  async #resumeIndexes(): Promise<IndexSuffix | undefined> {
    const { indexes } = this
    const wrong = await indexes.read(this.#segment.sizeInBytes, Number.POSITIVE_INFINITY)
    if (wrong) return wrong
    const position = indexes.offsets.lastPosition
    if (position > 0 && indexes.times.count === 0) return 'timeindex'
    this.timestamps.place(indexes.times.lastTimestamp, indexes.times.lastOffset)
    return (await this.#fits(position)) ? undefined : 'index'
  }

  async #readFirstTimestamp(): Promise<void> {
    const { file } = this.#segment
    if (file.length < headerBytes) return
    const view = await file.read(0, headerBytes)
    if (view.length === headerBytes) this.timestamps.beginAt(maxTimestampAt(view, 0))
    release(view)
  }

  /**
   * Walks the readable batches from that which reaches `offset`, or shortly before it, on; the
   * indexes are in memory. Returns whether the visitor ended it.
   */
  async walk(offset: number, visit: BatchVisitor): Promise<boolean> {
    const from = this.indexes.offsets.lookup(offset)
    if (this.indexes.areGiven && from > 0 && !(await this.#fits(from))) await this.rebuild('index')
    return walkBatches(this.#segment, this.indexes.offsets.lookup(offset), this.#segment.readableBytes, visit)
  }

  async #fits(position: number): Promise<boolean> {
    const view = await this.#segment.file.read(position, headerBytes)
    const fits = this.indexes.fit(view, 0, position)
    release(view)
    return fits
  }

  /** The offset of a batch before which no record is as young as `timestamp`. */
  async offsetBefore(timestamp: number): Promise<number> {
    await this.load()
    const entry = this.indexes.times.floorEntry(timestamp)
    if (!entry || !this.indexes.areGiven || (await this.#hasTimestamp(entry.offset, entry.timestamp)))
      return entry?.offset ?? this.#segment.baseOffset
    await this.rebuild('timeindex')
    return this.indexes.times.lookup(timestamp)
  }

  /** True if the batch that holds `offset` has `timestamp` as its largest. */
  async #hasTimestamp(offset: number, timestamp: number): Promise<boolean> {
    let found = false
    const isWalked = await this.#walkGiven(offset, (bytes, position) => {
      found = baseOffsetAt(bytes, position) <= offset && maxTimestampAt(bytes, position) === timestamp
      return lastOffsetAt(bytes, position) >= offset
    })
    return found && isWalked
  }

  /**
   * True if a time index that ends with this entry lacks nothing: the batch that holds `offset` has
   * `timestamp`, and none that follows is later than `largest`. Usually that is the last batch, or
   * one close to it.
   */
  async #isLargest(timestamp: number, offset: number, largest: number): Promise<boolean> {
    let isTrue = timestamp < 0
    const isWalked = await this.#walkGiven(offset, (bytes, position) => {
      if (lastOffsetAt(bytes, position) < offset) return false
      const maxTimestamp = maxTimestampAt(bytes, position)
      if (baseOffsetAt(bytes, position) <= offset) isTrue = maxTimestamp === timestamp
      else if (maxTimestamp > largest) isTrue = false
      return !isTrue
    })
    return isTrue && isWalked
  }

  /** Walks the batches as far as an index from a file makes it possible. Returns whether it did. */
  async #walkGiven(offset: number, visit: BatchVisitor): Promise<boolean> {
    try {
      await this.walk(offset, visit)
      return true
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== 'CORRUPT_MESSAGE') throw error
      return false
    }
  }

  /** Forgets the batches from `position` on, of which the first starts at `offset`. */
  forgetFrom(position: number, offset: number): void {
    const { offsets, times } = this.indexes
    this.#isSealed = false
    offsets.truncateToPosition(position)
    times.truncateTo(offset)
    this.timestamps.place(times.lastTimestamp, times.lastOffset)
  }

  /**
   * The file was cut to what is readable: looks for the largest timestamp that is left, and removes
   * the index files.
   */
  async wasCut(): Promise<void> {
    await this.#readFirstTimestamp()
    await this.#findLargestTimestamp()
    if (this.#storage.durable) await this.indexes.removeFiles()
  }

  /**
   * On a full disk a segment is cut at the same place again at every try: it is read once for that.
   */
  async #findLargestTimestamp(): Promise<void> {
    const { timestamps } = this
    const position = this.#segment.readableBytes
    if (this.#lastCut?.position === position) return timestamps.place(this.#lastCut.maxTimestamp, this.#lastCut.offset)
    await this.load()
    await this.walk(timestamps.offsetOfLargest, (bytes, at) => {
      const timestamp = maxTimestampAt(bytes, at)
      if (timestamp > timestamps.largest) timestamps.place(timestamp, lastOffsetAt(bytes, at))
      return false
    })
    this.#lastCut = { position, maxTimestamp: timestamps.largest, offset: timestamps.offsetOfLargest }
  }
}
