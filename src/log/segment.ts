import { isPromise, type MaybePromise } from '../common/deferred.js'
import { lend, release } from '../common/lease.js'
import { KafkaError } from '../errors.js'
import { baseOffsetAt, batchSizeAt, headerBytes, lastOffsetAt, lengthPrefixBytes, maxTimestampAt } from '../record/batch-header.js'
import type { Storage, StorageFile } from '../storage/storage.js'
import { type BatchVisitor, walkBatches } from './batch-scan.js'
import { readIndexFiles, removeFilesBeside, removeIndexFiles, writeIndexFiles } from './index-files.js'
import { isLackOfRoom } from './lack-of-room.js'
import { type CompleteLogOptions, rollAfterMs } from './log-options.js'
import { OffsetIndex } from './offset-index.js'
import { type ScannedBatch, type SegmentScan, scanSegment } from './segment-scan.js'
import { TimeIndex } from './time-index.js'

/** The path of a segment's files without their suffix: Kafka names them after the first offset, in twenty digits. */
export function segmentPath(folder: string, baseOffset: number): string {
  return `${folder}/${String(baseOffset).padStart(20, '0')}`
}

/** What a reader asks of a segment. */
export interface SegmentRead {
  readonly offset: number
  readonly maxBytes: number
  /** Batches that reach this offset are left out. */
  readonly upTo: number
  /** Whether the first batch is returned even if it exceeds `maxBytes`. */
  readonly minOneBatch: boolean
}

type IndexingOptions = Pick<CompleteLogOptions, 'indexIntervalBytes'>

const nothing = new Uint8Array(0)

/** One file of a log with the batches from `baseOffset` on, and the two indexes into it. */
export class Segment {
  readonly baseOffset: number
  readonly path: string
  readonly offsetIndex: OffsetIndex
  readonly timeIndex: TimeIndex
  /** Largest timestamp of its records; -1 when none has one. */
  maxTimestamp = -1
  /** Last offset of the first batch with that timestamp. */
  offsetOfMaxTimestamp: number
  /** When the last batch was added, by the clock, or when it was opened. */
  modifiedAt: number
  /** How much of the file may be read: what has been written for certain. */
  readableBytes = 0
  /** The offset after the last one that may be read. */
  nextOffset: number
  readonly #storage: Storage
  readonly #file: StorageFile
  readonly #createdAt: number
  readonly #indexIntervalBytes: number
  /** Largest timestamp of the first batch, which the age of the segment counts from. */
  #firstTimestamp = -1
  /** Where the last read ended, which is where most reads go on. */
  #hintOffset = Number.POSITIVE_INFINITY
  #hintPosition = 0
  #readers = 0
  #retired = false
  /** Whether the indexes are in memory; those of old segments stay in their files until they are needed. */
  #hasIndexes = true
  #isIndexOnDisk = false
  /** Whether the entries came from a file, and so may be anything, until they have been seen to fit the batches that they lead to. */
  #isIndexGiven = false
  #knowsMaxTimestamp = true
  #loading: Promise<void> | undefined
  #learning: Promise<void> | undefined
  #rebuilding: Promise<void> | undefined
  #damage: KafkaError | undefined
  #isSealed = false

  constructor(storage: Storage, path: string, baseOffset: number, file: StorageFile, options: IndexingOptions, now: number) {
    this.#storage = storage
    this.path = path
    this.baseOffset = baseOffset
    this.nextOffset = baseOffset
    this.offsetOfMaxTimestamp = baseOffset
    this.offsetIndex = new OffsetIndex(baseOffset)
    this.timeIndex = new TimeIndex(baseOffset)
    this.#file = file
    this.#indexIntervalBytes = options.indexIntervalBytes
    this.#createdAt = now
    this.modifiedAt = now
  }

  static open(storage: Storage, folder: string, baseOffset: number, options: CompleteLogOptions, now: number): MaybePromise<Segment> {
    const path = segmentPath(folder, baseOffset)
    const file = storage.open(`${path}.log`)
    const segment = (opened: StorageFile) => new Segment(storage, path, baseOffset, opened, options, now)
    return isPromise(file) ? file.then(segment) : segment(file)
  }

  get file(): StorageFile {
    return this.#file
  }

  get sizeInBytes(): number {
    return this.#file.length
  }

  get isRetired(): boolean {
    return this.#retired
  }

  /** The time that retention goes by; infinite while the largest timestamp is not known. */
  get retentionTimestamp(): number {
    if (!this.#knowsMaxTimestamp) return Number.POSITIVE_INFINITY
    return this.maxTimestamp >= 0 ? this.maxTimestamp : this.modifiedAt
  }

  /** Whether a batch must go to a new segment. */
  mustRollFor(size: number, maxTimestamp: number, lastOffset: number, options: CompleteLogOptions, now: number): boolean {
    if (!this.offsetIndex.canHold(lastOffset)) return true
    if (this.sizeInBytes === 0) return false
    const age = this.#firstTimestamp >= 0 ? maxTimestamp - this.#firstTimestamp : now - this.#createdAt
    return (
      this.sizeInBytes + size > options.segmentBytes ||
      age > rollAfterMs(options) ||
      this.offsetIndex.isFull(options.segmentIndexBytes) ||
      this.timeIndex.isFull(options.segmentIndexBytes)
    )
  }

  /** Takes note of a batch that stands at `position` of the file, or soon will; they come in order. */
  note(position: number, lastOffset: number, maxTimestamp: number, now: number): void {
    this.modifiedAt = now
    this.#isIndexOnDisk = false
    if (position === 0) this.#firstTimestamp = maxTimestamp
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp
      this.offsetOfMaxTimestamp = lastOffset
    }
    if (position - this.offsetIndex.lastPosition > this.#indexIntervalBytes) {
      this.offsetIndex.append(lastOffset, position)
      this.timeIndex.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp)
    }
  }

  /** Makes what was written up to here readable. */
  publish(readableBytes: number, nextOffset: number): void {
    this.readableBytes = readableBytes
    this.nextOffset = nextOffset
  }

  /** Takes the batches as they are, up to `nextOffset`, without a look at them: they were written and synced in order. */
  trust(nextOffset: number, hasIndexFiles: boolean): void {
    this.#isSealed = true
    this.publish(this.#file.length, nextOffset)
    this.#hasIndexes = false
    this.#isIndexOnDisk = hasIndexFiles
    this.#knowsMaxTimestamp = false
  }

  /** Brings the indexes into memory, from their files or, where these are missing or cannot be, from the batches. */
  load(): MaybePromise<void> {
    if (this.#hasIndexes) return
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<void> {
    const isLoaded = this.#isIndexOnDisk && (await readIndexFiles(this.#storage, this.path, this))
    if (!isLoaded) return this.rebuildIndexes()
    this.#hasIndexes = true
    this.#isIndexGiven = true
  }

  /** Makes `maxTimestamp` known, where the segment was taken as it is: by the time index, once that has been seen to be whole. */
  learnMaxTimestamp(): MaybePromise<void> {
    if (this.#knowsMaxTimestamp) return
    this.#learning ??= this.#learn().finally(() => {
      this.#learning = undefined
    })
    return this.#learning
  }

  async #learn(): Promise<void> {
    await this.load()
    if (this.#knowsMaxTimestamp) return
    const { lastTimestamp, lastOffset } = this.timeIndex
    if (!(await this.#isLargest(lastTimestamp, lastOffset, lastTimestamp))) return this.rebuildIndexes()
    this.maxTimestamp = lastTimestamp
    this.offsetOfMaxTimestamp = lastOffset
    this.#knowsMaxTimestamp = true
  }

  /** Whether the batch that holds `offset` has `timestamp` as its largest. */
  async #hasTimestamp(offset: number, timestamp: number): Promise<boolean> {
    let found = false
    const isWalked = await this.#walkGiven(offset, (bytes, position) => {
      found = baseOffsetAt(bytes, position) <= offset && maxTimestampAt(bytes, position) === timestamp
      return lastOffsetAt(bytes, position) >= offset
    })
    return found && isWalked
  }

  /**
   * Whether a time index that ends with this entry lacks nothing: the batch that holds `offset` has `timestamp`, and none that follows is later than
   * `largest`. Usually that is the last batch, or one close to it.
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
      await this.#walk(offset, visit)
      return true
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== 'CORRUPT_MESSAGE') throw error
      return false
    }
  }

  /** Builds the indexes anew from the batches that are readable. Raises `CORRUPT_MESSAGE` when these are damaged, and changes nothing then. */
  rebuildIndexes(): Promise<void> {
    this.#rebuilding ??= this.#rebuild().finally(() => {
      this.#rebuilding = undefined
    })
    return this.#rebuilding
  }

  async #rebuild(): Promise<void> {
    if (this.#damage) throw this.#damage
    const { readableBytes, nextOffset: limit } = this
    const indexing = { indexIntervalBytes: this.#indexIntervalBytes }
    const fresh = new Segment(this.#storage, this.path, this.baseOffset, this.#file, indexing, this.modifiedAt)
    const { end, nextOffset, fault } = await fresh.scan(() => {}, 0, readableBytes)
    const damage = fault ?? (nextOffset > limit ? `offset ${nextOffset - 1} belongs to the next segment` : undefined)
    if (damage !== undefined) throw (this.#damage = this.damagedAt(end, damage))
    // What was appended meanwhile has its entries already.
    this.offsetIndex.replaceBefore(readableBytes, fresh.offsetIndex)
    this.timeIndex.replaceBefore(limit, fresh.timeIndex)
    this.#isIndexGiven = false
    this.#hasIndexes = true
    if (!this.#knowsMaxTimestamp || fresh.maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = fresh.maxTimestamp
      this.offsetOfMaxTimestamp = fresh.offsetOfMaxTimestamp
      this.#knowsMaxTimestamp = true
    }
    if (!this.#isSealed) return
    this.timeIndex.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp)
    if (this.#storage.durable && !this.#storage.readOnly && !this.#retired) await this.writeIndexes()
  }

  /** Checks the batches from the start of the file, or from where the indexes end, and indexes them, as far as they are whole. */
  async scan(visit: ScannedBatch, from = 0, to = this.#file.length): Promise<SegmentScan> {
    if (from === 0) {
      this.offsetIndex.clear()
      this.timeIndex.clear()
      this.#isIndexGiven = false
      this.maxTimestamp = -1
      this.offsetOfMaxTimestamp = this.baseOffset
    }
    this.#hasIndexes = true
    this.#knowsMaxTimestamp = true
    const now = this.modifiedAt
    const note: ScannedBatch = (bytes, position, filePosition) => {
      this.note(filePosition, lastOffsetAt(bytes, position), maxTimestampAt(bytes, position), now)
      visit(bytes, position, filePosition)
    }
    return scanSegment(this.#file, this.baseOffset, from, this.baseOffset, note, to)
  }

  /** Takes the batches of the last segment as they are, but for those after the last entry of its indexes, which are checked and indexed. */
  async resume(hasIndexFiles: boolean): Promise<SegmentScan> {
    if (hasIndexFiles && (await this.#resumeIndexes())) {
      const { lastTimestamp, lastOffset } = this.timeIndex
      const scan = await this.scan(() => {}, this.offsetIndex.lastPosition)
      this.publish(scan.end, scan.nextOffset)
      await this.#readFirstTimestamp()
      if (scan.fault === undefined && (await this.#isLargest(lastTimestamp, lastOffset, this.maxTimestamp))) return scan
    }
    return this.scan(() => {})
  }

  async #resumeIndexes(): Promise<boolean> {
    this.nextOffset = Number.POSITIVE_INFINITY
    const areRead = await readIndexFiles(this.#storage, this.path, this)
    this.nextOffset = this.baseOffset
    const position = this.offsetIndex.lastPosition
    if (!areRead || (position > 0 && this.timeIndex.count === 0)) return false
    this.#isIndexGiven = true
    this.maxTimestamp = this.timeIndex.lastTimestamp
    this.offsetOfMaxTimestamp = this.timeIndex.lastOffset
    const view = await this.#file.read(position, headerBytes)
    const fits = this.#fitsIndex(view, 0, position)
    release(view)
    return fits
  }

  async #readFirstTimestamp(): Promise<void> {
    if (this.#file.length < headerBytes) return
    const view = await this.#file.read(0, headerBytes)
    if (view.length === headerBytes) this.#firstTimestamp = maxTimestampAt(view, 0)
    release(view)
  }

  /** Lets go of the memory of indexes that are in files. */
  unload(): void {
    if (!this.#isIndexOnDisk || !this.#hasIndexes || this.#loading || this.#learning) return
    this.offsetIndex.clear()
    this.timeIndex.clear()
    this.#hasIndexes = false
  }

  /** Whole batches from the first one that reaches the offset asked for; `undefined` when there is none. */
  read(request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    if (!this.#hasIndexes) return this.#loadAndRead(request)
    const { offset } = request
    const indexed = this.offsetIndex.lookup(offset)
    const hinted = this.#hintOffset <= offset && this.#hintPosition > indexed
    const result = this.#readAt(hinted ? this.#hintPosition : indexed, request.maxBytes + this.#indexIntervalBytes + headerBytes, request)
    if (!isPromise(result)) return result
    this.#readers++
    return result.finally(() => {
      this.#readers--
      if (this.#retired && this.#readers === 0) return this.#file.close()
    })
  }

  async #loadAndRead(request: SegmentRead): Promise<Uint8Array | undefined> {
    this.hold()
    try {
      await this.load()
      return await this.read(request)
    } finally {
      await this.letGo()
    }
  }

  #readAt(position: number, wantedBytes: number, request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    const available = this.readableBytes - position
    if (available <= 0) return undefined
    const wanted = Math.min(Math.max(wantedBytes, headerBytes), available)
    const view = this.#file.read(position, wanted)
    if (!isPromise(view)) return this.#select(view, position, wanted, request)
    return view.then(bytes => this.#select(bytes, position, wanted, request))
  }

  /** Picks from `view`, which stands at `filePosition`, the batches that were asked for; reads on where they are not all in it. */
  #select(view: Uint8Array, filePosition: number, wanted: number, request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    const { offset, maxBytes, upTo } = request
    let start = 0
    let size = headerBytes
    if (this.#isIndexGiven && !this.#fitsIndex(view, 0, filePosition)) {
      release(view)
      return this.#rebuildAndRead(request)
    }
    while (start + headerBytes <= view.length) {
      size = batchSizeAt(view, start)
      if (size < headerBytes) throw this.damagedAt(filePosition + start)
      const lastOffset = lastOffsetAt(view, start)
      if (lastOffset >= offset) break
      if (lastOffset < baseOffsetAt(view, start)) throw this.damagedAt(filePosition + start)
      start += size
    }
    if (start + size > view.length) {
      const isFirst = start === 0
      const enough = request.minOneBatch || size <= maxBytes || start + headerBytes > view.length
      release(view)
      const isAllThereIs = filePosition + view.length >= this.readableBytes
      if (isFirst && (size <= wanted || isAllThereIs)) throw this.damagedAt(filePosition)
      return enough ? this.#readAt(filePosition + start, Math.max(size, maxBytes), request) : nothing
    }
    // Offsets are not under the checksum; those of other segments cannot be right.
    if (lastOffsetAt(view, start) >= this.nextOffset || baseOffsetAt(view, start) < this.baseOffset) {
      release(view)
      throw this.damagedAt(filePosition + start)
    }
    const limit = Math.min(view.length, start + maxBytes)
    const isBounded = upTo < this.nextOffset
    if ((start + size > limit && !request.minOneBatch) || (isBounded && lastOffsetAt(view, start) >= upTo)) {
      release(view)
      return nothing
    }
    const end = Math.max(start + size, this.#lastBatchEnd(view, filePosition, start + size, limit, isBounded ? upTo : undefined))
    return this.#part(view, filePosition, start, end)
  }

  /** Whether what stands at `filePosition` is the batch that the index, if it has an entry for that place, says. */
  #fitsIndex(view: Uint8Array, at: number, filePosition: number): boolean {
    const lastOffset = this.offsetIndex.offsetAt(filePosition)
    if (lastOffset < 0) return true
    if (at + headerBytes > view.length) return false
    return batchSizeAt(view, at) >= headerBytes && lastOffsetAt(view, at) === lastOffset
  }

  async #rebuildAndRead(request: SegmentRead): Promise<Uint8Array | undefined> {
    await this.rebuildIndexes()
    return this.read(request)
  }

  /** Where the last of the whole batches in [from, limit) ends. The index spares the walk over most of them. */
  #lastBatchEnd(view: Uint8Array, filePosition: number, from: number, limit: number, upTo: number | undefined): number {
    if (upTo === undefined && filePosition + limit === this.readableBytes) return limit
    let known = this.offsetIndex.floorPosition(filePosition + limit)
    if (upTo !== undefined) known = Math.min(known, this.offsetIndex.lookup(upTo - 1))
    let end = Math.max(from, known - filePosition)
    if (this.#isIndexGiven && end > from && !this.#fitsIndex(view, end, filePosition + end)) end = from
    while (end + lengthPrefixBytes <= limit) {
      const size = batchSizeAt(view, end)
      if (size < headerBytes) throw this.damagedAt(filePosition + end)
      if (end + size > limit || (upTo !== undefined && lastOffsetAt(view, end) >= upTo)) break
      end += size
    }
    return end
  }

  #part(view: Uint8Array, filePosition: number, start: number, end: number): Uint8Array {
    if (this.#readers === 0) {
      this.#hintPosition = filePosition + end
      const isLast = this.#hintPosition === this.readableBytes
      this.#hintOffset = end + 8 <= view.length ? baseOffsetAt(view, end) : isLast ? this.nextOffset : Number.POSITIVE_INFINITY
    }
    if (start === 0 && end === view.length) return view
    return lend(view.subarray(start, end), () => release(view))
  }

  /** Walks the readable batches from that which reaches `offset`, or shortly before it, on. Returns whether the visitor ended it. */
  async walk(offset: number, visit: BatchVisitor): Promise<boolean> {
    await this.load()
    return this.#walk(offset, visit)
  }

  async #walk(offset: number, visit: BatchVisitor): Promise<boolean> {
    const from = this.offsetIndex.lookup(offset)
    if (this.#isIndexGiven && from > 0) {
      const view = await this.#file.read(from, headerBytes)
      const fits = this.#fitsIndex(view, 0, from)
      release(view)
      if (!fits) await this.rebuildIndexes()
    }
    return walkBatches(this.#file, this.offsetIndex.lookup(offset), this.readableBytes, visit)
  }

  /** The offset of a batch before which no record is as young as `timestamp`. */
  async offsetBefore(timestamp: number): Promise<number> {
    await this.load()
    const entry = this.timeIndex.floorEntry(timestamp)
    if (!entry || !this.#isIndexGiven || (await this.#hasTimestamp(entry.offset, entry.timestamp))) return entry?.offset ?? this.baseOffset
    await this.rebuildIndexes()
    return this.timeIndex.lookup(timestamp)
  }

  /** Adds what the time index lacks; called when no more batches will come, and again if they did after all. */
  seal(): void {
    this.#isSealed = true
    this.timeIndex.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp)
  }

  /** Writes the indexes to files of their own, as Kafka has them. They can be derived from the batches at any time. */
  async writeIndexes(): Promise<void> {
    try {
      await writeIndexFiles(this.#storage, this.path, this.offsetIndex.bytes, this.timeIndex.bytes)
      this.#isIndexOnDisk = true
    } catch (error) {
      // On a full disk the log itself has precedence: an index is made anew when it is missed.
      if (!isLackOfRoom(error)) throw error
      await this.#removeIndexes()
    }
  }

  /** Where the batch that reaches `offset` starts; `undefined` when there is none. */
  async positionOf(offset: number): Promise<{ position: number; baseOffset: number } | undefined> {
    let found: { position: number; baseOffset: number } | undefined
    await this.walk(offset, (bytes, position, filePosition) => {
      if (lastOffsetAt(bytes, position) < offset) return false
      found = { position: filePosition, baseOffset: baseOffsetAt(bytes, position) }
      return true
    })
    return found
  }

  /** Forgets the batches from `position` on, of which the first starts at `offset`; the bytes are cut by `cutFile`. */
  forgetFrom(position: number, offset: number): void {
    this.#isSealed = false
    this.publish(position, offset)
    this.offsetIndex.truncateToPosition(position)
    this.timeIndex.truncateTo(offset)
    this.#hintOffset = Number.POSITIVE_INFINITY
    this.#hintPosition = 0
    this.maxTimestamp = this.timeIndex.lastTimestamp
    this.offsetOfMaxTimestamp = this.timeIndex.lastOffset
  }

  /** Cuts the file to what is readable, and looks for the largest timestamp that is left. */
  async cutFile(): Promise<void> {
    await this.#file.truncate(this.readableBytes)
    await this.#readFirstTimestamp()
    await this.walk(this.offsetOfMaxTimestamp, (bytes, position) => {
      const timestamp = maxTimestampAt(bytes, position)
      if (timestamp > this.maxTimestamp) {
        this.maxTimestamp = timestamp
        this.offsetOfMaxTimestamp = lastOffsetAt(bytes, position)
      }
      return false
    })
    if (this.#storage.durable) await this.#removeIndexes()
  }

  /**
   * Removes its files. Reads that are under way end well: the file is closed after them. On a durable storage its log is renamed first, which is done at
   * once, so that a crash before the rest is no harm.
   */
  retire(): MaybePromise<void> {
    this.#retired = true
    if (this.#storage.durable) return this.#retireFiles().finally(() => this.#closeUnread())
    const removed = this.#storage.remove(`${this.path}.log`)
    return isPromise(removed) ? removed.finally(() => this.#closeUnread()) : this.#closeUnread()
  }

  async #retireFiles(): Promise<void> {
    await this.#storage.rename(`${this.path}.log`, `${this.path}.log.deleted`)
    await this.#storage.syncFolder(this.path.slice(0, this.path.lastIndexOf('/')))
    await removeFilesBeside(this.#storage, this.path)
    this.#isIndexOnDisk = false
    await this.#storage.remove(`${this.path}.log.deleted`)
  }

  /** Says that it is about to be removed. */
  markRetired(): void {
    this.#retired = true
  }

  /** Ends its use after the reads that are under way, when its files are gone already or belong to another. */
  abandon(): MaybePromise<void> {
    this.#retired = true
    this.#isIndexOnDisk = false
    return this.#closeUnread()
  }

  /** Keeps its file open, also when it is retired meanwhile, until `letGo`. */
  hold(): void {
    this.#readers++
  }

  letGo(): MaybePromise<void> {
    this.#readers--
    if (this.#retired) return this.#closeUnread()
  }

  #closeUnread(): MaybePromise<void> {
    if (this.#readers === 0) return this.#file.close()
  }

  async #removeIndexes(): Promise<void> {
    await removeIndexFiles(this.#storage, this.path)
    this.#isIndexOnDisk = false
  }

  damagedAt(position: number, reason?: string): KafkaError {
    const what = `\`${this.path}.log\` is damaged at position ${position}`
    return new KafkaError('CORRUPT_MESSAGE', reason === undefined ? what : `${what}: ${reason}; nothing was changed`)
  }
}
