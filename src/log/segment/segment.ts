import { type Deferred, deferred, isPromise, type MaybePromise } from '../../common/deferred.js'
import { release } from '../../common/lease.js'
import { KafkaError } from '../../errors.js'
import { baseOffsetAt, headerBytes, lastOffsetAt, maxTimestampAt } from '../../record/batch-header.js'
import type { Storage, StorageFile } from '../../storage/storage.js'
import { type CompleteLogOptions, rollAfterMs } from '../log-options.js'
import { type BatchChain, ChainWalk } from './batch-chain.js'
import { type BatchVisitor, walkBatches } from './batch-scan.js'
import { damageError } from './damage.js'
import { pathIn } from './file-names.js'
import { type IndexSuffix, removeFilesBeside, SegmentIndexes } from './segment-indexes.js'
import { type SegmentRead, SegmentReader } from './segment-reader.js'
import { type ScannedBatch, type SegmentScan, scanSegment } from './segment-scan.js'

type IndexingOptions = Pick<CompleteLogOptions, 'indexIntervalBytes'>

/** A segment is not closed for its age before it has been there for so long. */
const shortestLifeMs = 60_000

/** One file of a log with the batches from `baseOffset` on, and the two indexes into it. */
export class Segment {
  readonly baseOffset: number
  readonly path: string
  readonly file: StorageFile
  readonly indexes: SegmentIndexes
  readonly chain: BatchChain
  /** Largest timestamp of its records; -1 when none has one. */
  maxTimestamp = -1
  /** Last offset of the first batch with that timestamp. */
  offsetOfMaxTimestamp: number
  /** When the last batch was added, by the clock, or when it was opened. */
  modifiedAt: number
  /** The number of bytes that may be read: those that were surely written. */
  readableBytes = 0
  /** The offset after the last one that may be read. */
  nextOffset: number
  readonly #storage: Storage
  readonly #reader: SegmentReader
  readonly #createdAt: number
  readonly #indexIntervalBytes: number
  /** Largest timestamp of the first batch, which the age of the segment counts from. */
  #firstTimestamp = -1
  /** The number of readers of the file; it is closed after them. */
  #readers = 0
  /** The largest timestamp of what stands before the place where the file was last cut. */
  #lastCut: { readonly position: number; readonly maxTimestamp: number; readonly offset: number } | undefined
  #unread: Deferred<void> | undefined
  #retired = false
  /** True if the names of its files are its own: not once it is being removed, or another takes them over. */
  #hasNames = true
  #isClosing = false
  #knowsMaxTimestamp = true
  #loading: Promise<void> | undefined
  #learning: Promise<void> | undefined
  #rebuilding: Promise<void> | undefined
  #damage: KafkaError | undefined
  #isSealed = false

  constructor(
    storage: Storage,
    path: string,
    baseOffset: number,
    file: StorageFile,
    options: IndexingOptions,
    now: number,
    chain: BatchChain
  ) {
    this.#storage = storage
    this.chain = chain
    this.path = path
    this.baseOffset = baseOffset
    this.nextOffset = baseOffset
    this.offsetOfMaxTimestamp = baseOffset
    this.indexes = new SegmentIndexes(storage, path, baseOffset)
    this.#reader = new SegmentReader(this, options.indexIntervalBytes)
    this.file = file
    this.#indexIntervalBytes = options.indexIntervalBytes
    this.#createdAt = now
    this.modifiedAt = now
  }

  static open(
    storage: Storage,
    folder: string,
    baseOffset: number,
    options: CompleteLogOptions,
    now: number,
    chain: BatchChain
  ): MaybePromise<Segment> {
    const path = pathIn(folder, baseOffset)
    const file = storage.open(`${path}.log`)
    const segment = (opened: StorageFile) => new Segment(storage, path, baseOffset, opened, options, now, chain)
    return isPromise(file) ? file.then(segment) : segment(file)
  }

  /** The name of its file. */
  get name(): string {
    return `${this.path}.log`
  }

  get sizeInBytes(): number {
    return this.file.length
  }

  /** Bytes that surely lie before the batch that holds `offset`. */
  bytesBefore(offset: number): number {
    if (offset >= this.nextOffset) return this.sizeInBytes
    return this.indexes.areLoaded ? this.indexes.offsets.lookup(offset) : 0
  }

  /** True if someone reads it, so that its file stays open. */
  get isHeld(): boolean {
    return this.#readers > 0
  }

  get isRetired(): boolean {
    return this.#retired
  }

  /** The first known damage. The segment is kept as evidence. */
  get damage(): KafkaError | undefined {
    return this.#damage
  }

  /** Takes note of damage, which is told, and passes it on. */
  isDamaged(damage: KafkaError): KafkaError {
    this.#damage ??= damage
    return this.chain.damage.tell(damage)
  }

  /** The time that retention goes by; infinite while the largest timestamp is not known. */
  get retentionTimestamp(): number {
    if (!this.#knowsMaxTimestamp || this.#damage) return Number.POSITIVE_INFINITY
    return this.maxTimestamp >= 0 ? this.maxTimestamp : this.modifiedAt
  }

  /** True if a batch must go to a new segment. */
  mustRollFor(size: number, maxTimestamp: number, lastOffset: number, options: CompleteLogOptions, now: number): boolean {
    if (!this.indexes.offsets.canHold(lastOffset)) return true
    if (this.sizeInBytes === 0) return false
    const age = this.#firstTimestamp >= 0 ? maxTimestamp - this.#firstTimestamp : now - this.#createdAt
    return (
      this.sizeInBytes + size > options.segmentBytes ||
      age > rollAfterMs(options) ||
      this.indexes.offsets.isFull(options.segmentIndexBytes) ||
      this.indexes.times.isFull(options.segmentIndexBytes)
    )
  }

  /** True if it has records that are old enough for it to be closed. */
  isOld(options: CompleteLogOptions, now: number): boolean {
    const limit = rollAfterMs(options)
    const begun = this.#firstTimestamp >= 0 ? this.#firstTimestamp : this.#createdAt
    // Old records that are being brought in do not get a segment each.
    const isYoung = now - this.#createdAt <= Math.min(limit, shortestLifeMs)
    return this.sizeInBytes > 0 && !isYoung && now - begun > limit
  }

  /** Takes note of a batch that stands at `position` of the file, or soon will; they come in order. */
  note(position: number, lastOffset: number, maxTimestamp: number, now: number): void {
    this.modifiedAt = now
    this.indexes.areOnDisk = false
    if (position === 0) this.#firstTimestamp = maxTimestamp
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp
      this.offsetOfMaxTimestamp = lastOffset
    }
    if (position - this.indexes.offsets.lastPosition > this.#indexIntervalBytes) {
      this.indexes.offsets.append(lastOffset, position)
      this.indexes.times.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp)
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
    this.publish(this.file.length, nextOffset)
    this.indexes.areLoaded = false
    this.indexes.areOnDisk = hasIndexFiles
    this.#knowsMaxTimestamp = false
  }

  /** Brings the indexes into memory, from their files or, where these are missing or cannot be, from the batches. */
  load(): MaybePromise<void> {
    if (this.indexes.areLoaded) return
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<void> {
    if (!this.#hasNames || !this.indexes.areOnDisk) return this.rebuildIndexes()
    const wrong = await this.indexes.read(this.sizeInBytes, this.nextOffset)
    if (wrong) return this.rebuildIndexes(wrong)
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
    const { lastTimestamp, lastOffset } = this.indexes.times
    if (!(await this.#isLargest(lastTimestamp, lastOffset, lastTimestamp))) return this.rebuildIndexes('timeindex')
    this.maxTimestamp = lastTimestamp
    this.offsetOfMaxTimestamp = lastOffset
    this.#knowsMaxTimestamp = true
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
   * True if a time index that ends with this entry lacks nothing: the batch that holds `offset` has `timestamp`, and none that follows is later than
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

  /** Builds the indexes anew from the batches that are readable, up to where these are damaged. `wrong` is the one that does not fit them. */
  rebuildIndexes(wrong?: IndexSuffix): Promise<void> {
    this.#rebuilding ??= this.#rebuild(wrong).finally(() => {
      this.#rebuilding = undefined
    })
    return this.#rebuilding
  }

  async #rebuild(wrong: IndexSuffix | undefined): Promise<void> {
    const { readableBytes, nextOffset: limit } = this
    const indexing = { indexIntervalBytes: this.#indexIntervalBytes }
    const fresh = new Segment(this.#storage, this.path, this.baseOffset, this.file, indexing, this.modifiedAt, this.chain)
    const { end, fault } = await fresh.scan(() => {}, 0, readableBytes, limit)
    if (fault !== undefined) this.isDamaged(this.damagedAt(end, fault))
    else if (wrong) this.#tellOfIndex(wrong)
    // Batches that were appended meanwhile have their entries already.
    this.indexes.replaceBefore(readableBytes, limit, fresh.indexes)
    if (!this.#knowsMaxTimestamp || fresh.maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = fresh.maxTimestamp
      this.offsetOfMaxTimestamp = fresh.offsetOfMaxTimestamp
      this.#knowsMaxTimestamp = true
    }
    if (!this.#isSealed || fault !== undefined) return
    this.indexes.times.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp)
    if (this.#storage.durable && !this.#storage.readOnly && this.#hasNames) await this.indexes.write()
  }

  /** With other writers the index may be older or newer than the file. */
  #tellOfIndex(wrong: IndexSuffix): void {
    if (this.#storage.readOnly) return
    this.chain.damage.tell(damageError({ file: `${this.path}.${wrong}`, reason: 'it does not fit its log; it is made anew' }))
  }

  /** Checks the batches from the start of the file, or from where the indexes end, and indexes them, as far as they are whole. */
  async scan(visit: ScannedBatch, from = 0, to = this.file.length, limit = Number.POSITIVE_INFINITY): Promise<SegmentScan> {
    if (from === 0) {
      this.indexes.beginAnew()
      this.maxTimestamp = -1
      this.offsetOfMaxTimestamp = this.baseOffset
    }
    this.#knowsMaxTimestamp = true
    const now = this.modifiedAt
    const note: ScannedBatch = (bytes, position, filePosition) => {
      this.note(filePosition, lastOffsetAt(bytes, position), maxTimestampAt(bytes, position), now)
      visit(bytes, position, filePosition)
    }
    // A leader epoch that is damaged ends no log; readers are told of it.
    return scanSegment(this.file, this.#chainFrom(from, limit, false), from, note, to)
  }

  chainFrom(position: number): ChainWalk | undefined {
    return this.chain.isChecked ? this.#chainFrom(position, this.nextOffset, true) : undefined
  }

  #chainFrom(position: number, limit: number, checksEpochs: boolean): ChainWalk {
    return new ChainWalk(this.chain, position === 0 ? this.baseOffset : -1, this.baseOffset, limit, checksEpochs)
  }

  /** Takes the batches of the last segment as they are, but for those after the last entry of its indexes, which are checked and indexed. */
  async resume(hasIndexFiles: boolean): Promise<SegmentScan> {
    if (!hasIndexFiles) return this.scan(() => {})
    let wrong = await this.#resumeIndexes()
    if (!wrong) {
      const { lastTimestamp, lastOffset } = this.indexes.times
      const scan = await this.scan(() => {}, this.indexes.offsets.lastPosition)
      this.publish(scan.end, scan.nextOffset)
      await this.#readFirstTimestamp()
      if (scan.fault === undefined && (await this.#isLargest(lastTimestamp, lastOffset, this.maxTimestamp))) return scan
      wrong = 'timeindex'
    }
    const scan = await this.scan(() => {})
    if (scan.fault === undefined) this.#tellOfIndex(wrong)
    return scan
  }

  /** Returns which of the indexes cannot be right. */
  async #resumeIndexes(): Promise<IndexSuffix | undefined> {
    const wrong = await this.indexes.read(this.sizeInBytes, Number.POSITIVE_INFINITY)
    if (wrong) return wrong
    const position = this.indexes.offsets.lastPosition
    if (position > 0 && this.indexes.times.count === 0) return 'timeindex'
    this.maxTimestamp = this.indexes.times.lastTimestamp
    this.offsetOfMaxTimestamp = this.indexes.times.lastOffset
    const view = await this.file.read(position, headerBytes)
    const fits = this.indexes.fit(view, 0, position)
    release(view)
    return fits ? undefined : 'index'
  }

  async #readFirstTimestamp(): Promise<void> {
    if (this.file.length < headerBytes) return
    const view = await this.file.read(0, headerBytes)
    if (view.length === headerBytes) this.#firstTimestamp = maxTimestampAt(view, 0)
    release(view)
  }

  /** Lets go of the memory of indexes that are in files. */
  unload(): void {
    if (!this.#loading && !this.#learning) this.indexes.unload()
  }

  /** Whole batches from the first one that reaches the offset asked for; `undefined` when there is none. */
  read(request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    if (!this.indexes.areLoaded) return this.#loadAndRead(request)
    const found = this.#reader.read(request)
    if (!isPromise(found)) return found
    this.hold()
    return found.finally(() => this.release())
  }

  async #loadAndRead(request: SegmentRead): Promise<Uint8Array | undefined> {
    this.hold()
    try {
      await this.load()
      return await this.read(request)
    } finally {
      await this.release()
    }
  }

  /** Walks the readable batches from that which reaches `offset`, or shortly before it, on. Returns whether the visitor ended it. */
  async walk(offset: number, visit: BatchVisitor): Promise<boolean> {
    await this.load()
    return this.#walk(offset, visit)
  }

  async #walk(offset: number, visit: BatchVisitor): Promise<boolean> {
    const from = this.indexes.offsets.lookup(offset)
    if (this.indexes.areGiven && from > 0) {
      const view = await this.file.read(from, headerBytes)
      const fits = this.indexes.fit(view, 0, from)
      release(view)
      if (!fits) await this.rebuildIndexes('index')
    }
    return walkBatches(this, this.indexes.offsets.lookup(offset), this.readableBytes, visit)
  }

  /** The offset of a batch before which no record is as young as `timestamp`. */
  async offsetBefore(timestamp: number): Promise<number> {
    await this.load()
    const entry = this.indexes.times.floorEntry(timestamp)
    if (!entry || !this.indexes.areGiven || (await this.#hasTimestamp(entry.offset, entry.timestamp)))
      return entry?.offset ?? this.baseOffset
    await this.rebuildIndexes('timeindex')
    return this.indexes.times.lookup(timestamp)
  }

  /** Adds what the time index lacks; called when no more batches will come, and again if they did after all. */
  seal(): void {
    this.#isSealed = true
    this.indexes.times.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp)
  }

  /** The position of the batch that reaches `offset`; `undefined` when there is none. */
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
    this.indexes.offsets.truncateToPosition(position)
    this.indexes.times.truncateTo(offset)
    this.#reader.forgetHint()
    this.maxTimestamp = this.indexes.times.lastTimestamp
    this.offsetOfMaxTimestamp = this.indexes.times.lastOffset
  }

  /** Cuts the file to what is readable, and looks for the largest timestamp that is left. */
  async cutFile(): Promise<void> {
    await this.file.truncate(this.readableBytes)
    await this.#readFirstTimestamp()
    await this.#findLargestTimestamp()
    if (this.#storage.durable) await this.indexes.removeFiles()
  }

  /** On a full disk a segment is cut at the same place again at every try: it is read once for that. */
  async #findLargestTimestamp(): Promise<void> {
    if (this.#lastCut?.position === this.readableBytes) {
      this.maxTimestamp = this.#lastCut.maxTimestamp
      this.offsetOfMaxTimestamp = this.#lastCut.offset
      return
    }
    await this.walk(this.offsetOfMaxTimestamp, (bytes, position) => {
      const timestamp = maxTimestampAt(bytes, position)
      if (timestamp > this.maxTimestamp) {
        this.maxTimestamp = timestamp
        this.offsetOfMaxTimestamp = lastOffsetAt(bytes, position)
      }
      return false
    })
    this.#lastCut = { position: this.readableBytes, maxTimestamp: this.maxTimestamp, offset: this.offsetOfMaxTimestamp }
  }

  /**
   * Removes its files. Reads that are under way end well: the file is closed after them. On a durable storage its log is renamed first, which is done at
   * once, so that a crash before the rest is no harm.
   */
  retire(): MaybePromise<void> {
    this.markRetired()
    if (this.#storage.durable) return this.#retireFiles().finally(() => this.#closeUnread())
    const removed = this.#storage.remove(this.name)
    return isPromise(removed) ? removed.finally(() => this.#closeUnread()) : this.#closeUnread()
  }

  async #retireFiles(): Promise<void> {
    await this.giveUpNames()
    await this.#storage.rename(this.name, `${this.name}.deleted`)
    await this.#storage.syncFolder(this.path.slice(0, this.path.lastIndexOf('/')))
    await removeFilesBeside(this.#storage, this.path)
    await this.#storage.remove(`${this.name}.deleted`)
  }

  /** Says that it is about to be removed. */
  markRetired(): void {
    this.#retired = true
    this.#hasNames = false
  }

  /** Resolves when it uses none of its names any more, so that another may: what reads or writes its indexes has ended, and nothing begins to. */
  async giveUpNames(): Promise<void> {
    this.#hasNames = false
    await Promise.allSettled([this.#loading, this.#learning, this.#rebuilding])
    this.indexes.areOnDisk = false
  }

  /** Ends its use after the reads that are under way, when its files are gone already or belong to another. */
  abandon(): MaybePromise<void> {
    this.markRetired()
    this.indexes.areOnDisk = false
    return this.#closeUnread()
  }

  /** Keeps its file open, also when it is retired meanwhile, until `release`. */
  hold(): void {
    this.#readers++
  }

  release(): MaybePromise<void> {
    if (--this.#readers > 0) return
    this.#unread?.resolve()
    this.#unread = undefined
    if (this.#retired) return this.#closeUnread()
  }

  /** Closes its file after the reads that are under way. Walks end before their next block. */
  async close(): Promise<void> {
    this.#isClosing = true
    while (this.isHeld) await (this.#unread ??= deferred()).promise
    await this.file.close()
  }

  /** Throws CLOSED once the log is being closed: a walk through gigabytes must not hold that up. */
  expectOpen(): void {
    if (this.#isClosing) throw new KafkaError('CLOSED', `\`${this.name}\` is closed`)
  }

  #closeUnread(): MaybePromise<void> {
    if (!this.isHeld) return this.file.close()
  }

  damagedAt(position: number, reason: string): KafkaError {
    return damageError({ file: this.name, position, reason })
  }
}
