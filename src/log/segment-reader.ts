import { isPromise, type MaybePromise } from '../common/deferred.js'
import { lend, release } from '../common/lease.js'
import { baseOffsetAt, batchSizeAt, headerBytes, lastOffsetAt, lengthPrefixBytes } from '../record/batch-header.js'
import type { Segment } from './segment.js'

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

/** Finds in a segment, whose indexes are in memory, the batches that its readers ask for. */
export class SegmentReader {
  readonly #segment: Segment
  readonly #indexIntervalBytes: number
  /** Where the last read ended, which is where most reads go on. */
  #hintOffset = Number.POSITIVE_INFINITY
  #hintPosition = 0

  constructor(segment: Segment, indexIntervalBytes: number) {
    this.#segment = segment
    this.#indexIntervalBytes = indexIntervalBytes
  }

  /** Whole batches from the first one that reaches the offset asked for; `undefined` when there is none. */
  read(request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    const { offset, maxBytes } = request
    const indexed = this.#segment.indexes.offsets.lookup(offset)
    const hinted = this.#hintOffset <= offset && this.#hintPosition > indexed
    return this.#readAt(hinted ? this.#hintPosition : indexed, maxBytes + this.#indexIntervalBytes + headerBytes, request)
  }

  /** The file was cut: where a read ended, another batch may come to stand. */
  forgetHint(): void {
    this.#hintOffset = Number.POSITIVE_INFINITY
    this.#hintPosition = 0
  }

  #readAt(position: number, wantedBytes: number, request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    const available = this.#segment.readableBytes - position
    if (available <= 0) return undefined
    const wanted = Math.min(Math.max(wantedBytes, headerBytes), available)
    const view = this.#segment.file.read(position, wanted)
    if (!isPromise(view)) return this.#select(view, position, wanted, request)
    return view.then(bytes => this.#select(bytes, position, wanted, request))
  }

  /** Picks from `view`, which stands at `filePosition`, the batches that were asked for; reads on where they are not all in it. */
  #select(view: Uint8Array, filePosition: number, wanted: number, request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    const segment = this.#segment
    const { offset, maxBytes, upTo } = request
    let start = 0
    let size = headerBytes
    if (segment.indexes.areGiven && !segment.indexes.fit(view, 0, filePosition)) {
      release(view)
      return segment.rebuildIndexes().then(() => segment.read(request))
    }
    while (start + headerBytes <= view.length) {
      size = batchSizeAt(view, start)
      if (size < headerBytes) throw segment.damagedAt(filePosition + start)
      const lastOffset = lastOffsetAt(view, start)
      if (lastOffset >= offset) break
      if (lastOffset < baseOffsetAt(view, start)) throw segment.damagedAt(filePosition + start)
      start += size
    }
    if (start + size > view.length) {
      const isFirst = start === 0
      const enough = request.minOneBatch || size <= maxBytes || start + headerBytes > view.length
      release(view)
      const isAllThereIs = filePosition + view.length >= segment.readableBytes
      if (isFirst && (size <= wanted || isAllThereIs)) throw segment.damagedAt(filePosition)
      return enough ? this.#readAt(filePosition + start, Math.max(size, maxBytes), request) : nothing
    }
    // Offsets are not under the checksum; those of other segments cannot be right.
    if (lastOffsetAt(view, start) >= segment.nextOffset || baseOffsetAt(view, start) < segment.baseOffset) {
      release(view)
      throw segment.damagedAt(filePosition + start)
    }
    const limit = Math.min(view.length, start + maxBytes)
    const isBounded = upTo < segment.nextOffset
    if ((start + size > limit && !request.minOneBatch) || (isBounded && lastOffsetAt(view, start) >= upTo)) {
      release(view)
      return nothing
    }
    const end = Math.max(start + size, this.#lastBatchEnd(view, filePosition, start + size, limit, isBounded ? upTo : undefined))
    return this.#part(view, filePosition, start, end)
  }

  /** Where the last of the whole batches in [from, limit) ends. The index spares the walk over most of them. */
  #lastBatchEnd(view: Uint8Array, filePosition: number, from: number, limit: number, upTo: number | undefined): number {
    const { indexes, readableBytes } = this.#segment
    if (upTo === undefined && filePosition + limit === readableBytes) return limit
    let known = indexes.offsets.floorPosition(filePosition + limit)
    if (upTo !== undefined) known = Math.min(known, indexes.offsets.lookup(upTo - 1))
    let end = Math.max(from, known - filePosition)
    if (indexes.areGiven && end > from && !indexes.fit(view, end, filePosition + end)) end = from
    while (end + lengthPrefixBytes <= limit) {
      const size = batchSizeAt(view, end)
      if (size < headerBytes) throw this.#segment.damagedAt(filePosition + end)
      if (end + size > limit || (upTo !== undefined && lastOffsetAt(view, end) >= upTo)) break
      end += size
    }
    return end
  }

  #part(view: Uint8Array, filePosition: number, start: number, end: number): Uint8Array {
    const segment = this.#segment
    // While others read, the file may be cut, and filled again, before they come to their end.
    if (!segment.isHeld) {
      this.#hintPosition = filePosition + end
      const isLast = this.#hintPosition === segment.readableBytes
      this.#hintOffset = end + 8 <= view.length ? baseOffsetAt(view, end) : isLast ? segment.nextOffset : Number.POSITIVE_INFINITY
    }
    if (start === 0 && end === view.length) return view
    return lend(view.subarray(start, end), () => release(view))
  }
}
