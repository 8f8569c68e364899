import { isPromise, type MaybePromise } from '../common/deferred.js'
import { lend, release } from '../common/lease.js'
import { KafkaError } from '../errors.js'
import { baseOffsetAt, batchSizeAt, headerBytes, lastOffsetAt, lengthPrefixBytes, maxTimestampAt } from '../record/batch-header.js'
import type { Storage, StorageFile } from '../storage/storage.js'
import { walkBatches } from './batch-scan.js'
import { type CompleteLogOptions, rollAfterMs } from './log-options.js'
import { OffsetIndex } from './offset-index.js'
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

  constructor(storage: Storage, path: string, baseOffset: number, file: StorageFile, options: CompleteLogOptions, now: number) {
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

  /** The time that retention goes by. */
  get retentionTimestamp(): number {
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

  /** Whole batches from the first one that reaches the offset asked for; `undefined` when there is none. */
  read(request: SegmentRead): MaybePromise<Uint8Array | undefined> {
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
    while (start + headerBytes <= view.length) {
      size = batchSizeAt(view, start)
      if (size < headerBytes) throw this.#damagedAt(filePosition + start)
      if (lastOffsetAt(view, start) >= offset) break
      start += size
    }
    if (start + size > view.length) {
      const isFirst = start === 0
      const enough = request.minOneBatch || size <= maxBytes || start + headerBytes > view.length
      release(view)
      if (isFirst && size <= wanted) throw this.#damagedAt(filePosition)
      return enough ? this.#readAt(filePosition + start, Math.max(size, maxBytes), request) : nothing
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

  /** Where the last of the whole batches in [from, limit) ends. The index spares the walk over most of them. */
  #lastBatchEnd(view: Uint8Array, filePosition: number, from: number, limit: number, upTo: number | undefined): number {
    if (upTo === undefined && filePosition + limit === this.readableBytes) return limit
    let known = this.offsetIndex.floorPosition(filePosition + limit)
    if (upTo !== undefined) known = Math.min(known, this.offsetIndex.lookup(upTo - 1))
    let end = Math.max(from, known - filePosition)
    while (end + lengthPrefixBytes <= limit) {
      const size = batchSizeAt(view, end)
      if (size < headerBytes) throw this.#damagedAt(filePosition + end)
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

  /** Walks the readable batches from that which reaches `offset`, or shortly before it, on. */
  walk(offset: number, visit: (bytes: Uint8Array, position: number, filePosition: number) => boolean | undefined): Promise<void> {
    return walkBatches(this.#file, this.offsetIndex.lookup(offset), this.readableBytes, visit)
  }

  /** Adds what the time index lacks; called when no more batches will come, and again if they did after all. */
  seal(): void {
    this.timeIndex.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp)
  }

  /** Writes the indexes to files of their own, as Kafka has them. They can be derived from the batches at any time. */
  async writeIndexes(): Promise<void> {
    await this.#writeFile(`${this.path}.index`, this.offsetIndex.bytes)
    await this.#writeFile(`${this.path}.timeindex`, this.timeIndex.bytes)
  }

  async #writeFile(name: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#storage.open(name)
    try {
      await file.truncate(0)
      await file.append(bytes)
      await file.sync()
    } finally {
      await file.close()
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

  /** Removes its files. Reads that are under way end well: the file is closed after them. */
  retire(): MaybePromise<void> {
    this.#retired = true
    const removed = this.#storage.remove(`${this.path}.log`)
    if (isPromise(removed) || this.#storage.durable) return this.#finishRetiring(removed)
    if (this.#readers === 0) return this.#file.close()
  }

  /** Ends its use after the reads that are under way, when its files are gone already or belong to another. */
  abandon(): MaybePromise<void> {
    this.#retired = true
    if (this.#readers === 0) return this.#file.close()
  }

  async #finishRetiring(removed: MaybePromise<void>): Promise<void> {
    await removed
    if (this.#storage.durable) await this.#removeIndexes()
    if (this.#readers === 0) await this.#file.close()
  }

  async #removeIndexes(): Promise<void> {
    await this.#storage.remove(`${this.path}.index`)
    await this.#storage.remove(`${this.path}.timeindex`)
  }

  #damagedAt(position: number): KafkaError {
    return new KafkaError('CORRUPT_MESSAGE', `\`${this.path}.log\` is damaged at position ${position}`)
  }
}
