import { isPromise, type MaybePromise } from '../../common/deferred.js'
import type { KafkaError } from '../../errors.js'
import { baseOffsetAt, lastOffsetAt } from '../../record/batch-header.js'
import type { Storage, StorageFile } from '../../storage/storage.js'
import { type CompleteLogOptions, rollAfterMs } from '../log-options.js'
import { type BatchChain, ChainWalk } from './batch-chain.js'
import type { BatchVisitor } from './batch-scan.js'
import { damageError } from './damage.js'
import { pathIn } from './file-names.js'
import { SegmentIndexer } from './segment-indexer.js'
import { removeFilesBeside, type SegmentIndexes } from './segment-indexes.js'
import { SegmentLifetime } from './segment-lifetime.js'
import { type SegmentRead, SegmentReader } from './segment-reader.js'
import type { SegmentTimestamps } from './segment-timestamps.js'

type IndexingOptions = Pick<CompleteLogOptions, 'indexIntervalBytes'>

/** One file of a log with the batches from `baseOffset` on, and the two indexes into it. */
export class Segment {
  readonly baseOffset: number
  readonly path: string
  readonly file: StorageFile
  readonly chain: BatchChain
  readonly lifetime: SegmentLifetime
  readonly indexer: SegmentIndexer
  readonly indexes: SegmentIndexes
  readonly timestamps: SegmentTimestamps
  readonly #storage: Storage
  readonly #reader: SegmentReader
  #readableBytes = 0
  #nextOffset: number
  #damage: KafkaError | undefined

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
    this.file = file
    this.baseOffset = baseOffset
    this.#nextOffset = baseOffset
    this.lifetime = new SegmentLifetime(file, this.name)
    this.indexer = new SegmentIndexer(storage, this, options.indexIntervalBytes, now)
    this.indexes = this.indexer.indexes
    this.timestamps = this.indexer.timestamps
    this.#reader = new SegmentReader(this, options.indexIntervalBytes)
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

  /** The number of bytes that may be read: those that were surely written. */
  get readableBytes(): number {
    return this.#readableBytes
  }

  /** The offset after the last one that may be read. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Bytes that surely lie before the batch that holds `offset`. */
  bytesBefore(offset: number): number {
    if (offset >= this.#nextOffset) return this.sizeInBytes
    return this.indexes.areLoaded ? this.indexes.offsets.lookup(offset) : 0
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

  /** The error for damage at a position. */
  damagedAt(position: number, reason: string): KafkaError {
    return damageError({ file: this.name, position, reason })
  }

  /**
   * The time that retention goes by; infinite where the records are not known, or are kept as
   * evidence.
   */
  get retentionTimestamp(): number {
    return this.#damage ? Number.POSITIVE_INFINITY : this.timestamps.forRetention
  }

  /** True if a batch must go to a new segment. */
  mustRollFor(size: number, maxTimestamp: number, lastOffset: number, options: CompleteLogOptions, now: number): boolean {
    if (!this.indexes.offsets.canHold(lastOffset)) return true
    if (this.sizeInBytes === 0) return false
    return (
      this.sizeInBytes + size > options.segmentBytes ||
      this.timestamps.ageFor(maxTimestamp, now) > rollAfterMs(options) ||
      this.indexes.offsets.isFull(options.segmentIndexBytes) ||
      this.indexes.times.isFull(options.segmentIndexBytes)
    )
  }

  /** True if it has records that are old enough for it to be closed. */
  isOld(options: CompleteLogOptions, now: number): boolean {
    return this.sizeInBytes > 0 && this.timestamps.isOld(options, now)
  }

  /** Makes what was written up to here readable. */
  publish(readableBytes: number, nextOffset: number): void {
    this.#readableBytes = readableBytes
    this.#nextOffset = nextOffset
  }

  /**
   * Takes the batches as they are, up to `nextOffset`, without a look at them: they were written
   * and synced in order.
   */
  trust(nextOffset: number, hasIndexFiles: boolean): void {
    this.publish(this.file.length, nextOffset)
    this.indexer.trust(hasIndexFiles)
  }

  /** Checks how the batches from a position on follow each other, where that is worth a look. */
  chainFrom(position: number): ChainWalk | undefined {
    if (!this.chain.isChecked) return undefined
    return new ChainWalk(this.chain, position === 0 ? this.baseOffset : -1, this.baseOffset, this.#nextOffset, true)
  }

  /** Throws CLOSED once the log is being closed. */
  expectOpen(): void {
    this.lifetime.expectOpen()
  }

  /**
   * Whole batches from the first one that reaches the offset asked for; `undefined` when there is
   * none.
   */
  read(request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    if (!this.indexes.areLoaded) return this.#loadAndRead(request)
    const found = this.#reader.read(request)
    if (!isPromise(found)) return found
    this.lifetime.hold()
    return found.finally(() => this.lifetime.release())
  }

  async #loadAndRead(request: SegmentRead): Promise<Uint8Array | undefined> {
    this.lifetime.hold()
    try {
      await this.indexer.load()
      return await this.read(request)
    } finally {
      await this.lifetime.release()
    }
  }

  /**
   * Walks the readable batches from that which reaches `offset`, or shortly before it, on. Returns
   * whether the visitor ended it.
   */
  async walk(offset: number, visit: BatchVisitor): Promise<boolean> {
    await this.indexer.load()
    return this.indexer.walk(offset, visit)
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

  /**
   * Forgets the batches from `position` on, of which the first starts at `offset`; the bytes are
   * cut by `cutFile`.
   */
  forgetFrom(position: number, offset: number): void {
    this.publish(position, offset)
    this.indexer.forgetFrom(position, offset)
    this.#reader.forgetHint()
  }

  /** Cuts the file to what is readable. */
  async cutFile(): Promise<void> {
    await this.file.truncate(this.#readableBytes)
    await this.indexer.wasCut()
  }

  /**
   * Removes its files. Reads that are under way end well: the file is closed after them. On a
   * durable storage its log is renamed first, which is done at once, so that a crash before the
   * rest is no harm.
   */
  retire(): MaybePromise<void> {
    this.lifetime.retire()
    if (this.#storage.durable) return this.#retireFiles().finally(() => this.lifetime.closeUnread())
    const removed = this.#storage.remove(this.name)
    return isPromise(removed) ? removed.finally(() => this.lifetime.closeUnread()) : this.lifetime.closeUnread()
  }

  async #retireFiles(): Promise<void> {
    await this.giveUpNames()
    await this.#storage.rename(this.name, `${this.name}.deleted`)
    await this.#storage.syncFolder(this.path.slice(0, this.path.lastIndexOf('/')))
    await removeFilesBeside(this.#storage, this.path)
    await this.#storage.remove(`${this.name}.deleted`)
  }

  /**
   * Resolves when it uses none of its names any more, so that another may: what reads or writes its
   * indexes has ended, and nothing begins to.
   */
  async giveUpNames(): Promise<void> {
    this.lifetime.loseNames()
    await this.indexer.idle()
    this.indexes.areOnDisk = false
  }

  /**
   * Ends its use after the reads that are under way, when its files are gone already or belong to
   * another.
   */
  abandon(): MaybePromise<void> {
    this.lifetime.retire()
    this.indexes.areOnDisk = false
    return this.lifetime.closeUnread()
  }
}
