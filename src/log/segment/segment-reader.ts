import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { lend, release } from '../../common/lease.js'
import type { KafkaError } from '../../errors.js'
import { baseOffsetAt, batchSizeAt, headerBytes, lastOffsetAt, lengthPrefixBytes } from '../../record/batch-header.js'
import type { StorageFile } from '../../storage/storage.js'
import { crcFaultAt } from '../append/batch-validation.js'
import { type BatchChain, ChainWalk } from './batch-chain.js'
import type { SegmentIndexes } from './segment-indexes.js'
import type { SegmentLifetime } from './segment-lifetime.js'

/** The request of a reader to a segment. */
export interface SegmentRead {
  readonly offset: number
  readonly maxBytes: number
  /** Batches that reach this offset are left out. */
  readonly upTo: number
  /** True if the first batch is returned even if it exceeds `maxBytes`. */
  readonly minOneBatch: boolean
  /**
   * True if batches whose checksums do not fit are damage; else that is left to whoever decodes
   * them.
   */
  readonly checkCrcs: boolean
}

/** A file of batches, with its indexes, as readers see it. */
export interface ReadableSegment {
  readonly baseOffset: number
  /** The offset after the last one that may be read. */
  readonly nextOffset: number
  readonly file: StorageFile
  readonly readableBytes: number
  readonly indexes: SegmentIndexes
  readonly chain: BatchChain
  readonly damage: KafkaError | undefined
  readonly lifetime: SegmentLifetime
  readonly indexer: { rebuild(cause: 'index'): Promise<void> }
  read(request: SegmentRead): MaybePromise<Uint8Array | undefined>
  /** Takes note of damage at a position, and returns the error for it. */
  damagedAt(position: number, reason: string): KafkaError
}

const nothing = new Uint8Array(0)

/** Finds in a segment, whose indexes are in memory, the batches that its readers ask for. */
export class SegmentReader {
  readonly #segment: ReadableSegment
  readonly #indexIntervalBytes: number
  /** The end of the last read, at which most reads go on. */
  #hintOffset = Number.POSITIVE_INFINITY
  #hintPosition = 0

  constructor(segment: ReadableSegment, indexIntervalBytes: number) {
    this.#segment = segment
    this.#indexIntervalBytes = indexIntervalBytes
  }

  /**
   * Whole batches from the first one that reaches the offset asked for; `undefined` when there is
   * none.
   */
  read(request: SegmentRead): MaybePromise<Uint8Array | undefined> {
    const { offset, maxBytes } = request
    const { chain, baseOffset, indexes } = this.#segment
    const indexed = indexes.offsets.lookup(offset)
    const wanted = maxBytes + this.#indexIntervalBytes + headerBytes
    if (this.#hintOffset <= offset && this.#hintPosition > indexed) {
      return this.#readAt(this.#hintPosition, wanted, request, chain.isChecked ? this.#hintOffset : -1)
    }
    return this.#readAt(indexed, wanted, request, indexed === 0 ? baseOffset : -1)
  }

  /** The file was cut: where a read ended, another batch may come to stand. */
  forgetHint(): void {
    this.#hintOffset = Number.POSITIVE_INFINITY
    this.#hintPosition = 0
  }

  /** `expected` is the offset that the batch at `position` begins with, or -1. */
  #readAt(position: number, wantedBytes: number, request: SegmentRead, expected: number): MaybePromise<Uint8Array | undefined> {
    const available = this.#segment.readableBytes - position
    if (available <= 0) return this.#expectNoMore(request)
    const wanted = Math.min(Math.max(wantedBytes, headerBytes), available)
    const view = this.#segment.file.read(position, wanted)
    if (!isPromise(view)) return this.#select(view, position, wanted, request, expected)
    return view.then(bytes => this.#select(bytes, position, wanted, request, expected))
  }

  /** The batches end before the offset asked for. */
  #expectNoMore({ offset }: SegmentRead): undefined {
    const { chain, damage, nextOffset, readableBytes } = this.#segment
    if (offset >= nextOffset || !chain.isChecked) return undefined
    if (damage) throw damage
    if (!chain.mayLackBefore(nextOffset)) {
      throw this.#segment.damagedAt(readableBytes, `its batches end before offset ${offset}, though it should reach ${nextOffset - 1}`)
    }
  }

  /**
   * Picks from `view`, which stands at `filePosition`, the batches that were asked for; reads on
   * where they are not all in it.
   */
  #select(
    view: Uint8Array,
    filePosition: number,
    wanted: number,
    request: SegmentRead,
    expected: number
  ): MaybePromise<Uint8Array | undefined> {
    const segment = this.#segment
    const { indexes, chain } = segment
    const { offset, maxBytes, upTo, minOneBatch, checkCrcs } = request
    let start = 0
    let size = headerBytes
    if ((indexes.areGiven || chain.isChecked) && !indexes.fit(view, 0, filePosition)) {
      if (!indexes.areGiven) throw this.#damaged(view, filePosition, 'its header is not that of the batch that was written there')
      release(view)
      return segment.indexer.rebuild('index').then(() => segment.read(request))
    }
    const walk = new ChainWalk(chain, expected, segment.baseOffset, segment.nextOffset)
    while (start + headerBytes <= view.length) {
      const before = walk.expected
      size = batchSizeAt(view, start)
      const fault = walk.faultOf(view, start, offset)
      if (fault !== undefined) throw this.#damaged(view, filePosition + start, fault)
      if (lastOffsetAt(view, start) >= offset && !walk.isPassed) {
        expected = before
        break
      }
      start += size
      expected = walk.expected
    }
    if (start + size > view.length) {
      const isFirst = start === 0
      const enough = minOneBatch || size <= maxBytes || start + headerBytes > view.length
      const isCutShort = isFirst && (size <= wanted || filePosition + view.length >= segment.readableBytes)
      if (isCutShort) throw this.#damaged(view, filePosition, 'a batch is cut short or has an impossible size')
      release(view)
      return enough ? this.#readAt(filePosition + start, Math.max(size, maxBytes), request, expected) : nothing
    }
    if (walk.isEpochDoubtful) return this.#confirmEpochs(view, request)
    const crcFault = checkCrcs ? crcFaultAt(view, start) : undefined
    if (crcFault !== undefined) throw this.#damaged(view, filePosition + start, crcFault)
    const limit = Math.min(view.length, start + maxBytes)
    const isBounded = upTo < segment.nextOffset
    if ((start + size > limit && !minOneBatch) || (isBounded && lastOffsetAt(view, start) >= upTo)) {
      release(view)
      return nothing
    }
    const bound = isBounded ? upTo : undefined
    const end = chain.isChecked
      ? soundEnd(view, start + size, limit, bound, walk, checkCrcs)
      : this.#lastBatchEnd(view, filePosition, start + size, limit, bound)
    return this.#part(view, filePosition, start, Math.max(start + size, end), walk.expected)
  }

  async #confirmEpochs(view: Uint8Array, request: SegmentRead): Promise<Uint8Array | undefined> {
    release(view)
    await this.#segment.chain.confirmEpochs()
    return this.#segment.read(request)
  }

  #damaged(view: Uint8Array, position: number, reason: string): Error {
    release(view)
    return this.#segment.damagedAt(position, reason)
  }

  /**
   * The end of the last whole batch in [from, limit). The index spares the walk over most of them.
   */
  #lastBatchEnd(view: Uint8Array, filePosition: number, from: number, limit: number, upTo: number | undefined): number {
    const { indexes, readableBytes } = this.#segment
    if (upTo === undefined && filePosition + limit === readableBytes) return limit
    let known = indexes.offsets.floorPosition(filePosition + limit)
    if (upTo !== undefined) known = Math.min(known, indexes.offsets.lookup(upTo - 1))
    let end = Math.max(from, known - filePosition)
    if (indexes.areGiven && end > from && !indexes.fit(view, end, filePosition + end)) end = from
    while (end + lengthPrefixBytes <= limit) {
      const size = batchSizeAt(view, end)
      if (size < headerBytes) throw this.#segment.damagedAt(filePosition + end, `a batch of ${size} bytes is not possible`)
      if (end + size > limit || (upTo !== undefined && lastOffsetAt(view, end) >= upTo)) break
      end += size
    }
    return end
  }

  /** `expected` is the offset after the batches up to `end`, where these were walked through. */
  #part(view: Uint8Array, filePosition: number, start: number, end: number, expected: number): Uint8Array {
    const segment = this.#segment
    // While others read, the file may be cut, and filled again, before they come to their end.
    if (!segment.lifetime.isHeld) {
      this.#hintPosition = filePosition + end
      const isLast = this.#hintPosition === segment.readableBytes
      if (segment.chain.isChecked) this.#hintOffset = expected
      else this.#hintOffset = end + 8 <= view.length ? baseOffsetAt(view, end) : isLast ? segment.nextOffset : Number.POSITIVE_INFINITY
    }
    if (start === 0 && end === view.length) return view
    return lend(view.subarray(start, end), () => release(view))
  }
}

/**
 * The end of the last batch from `from` on that is whole, sound and within the limits; others stay
 * for the next read.
 */
function soundEnd(view: Uint8Array, from: number, limit: number, upTo: number | undefined, walk: ChainWalk, checkCrcs: boolean): number {
  let end = from
  while (end + headerBytes <= limit) {
    const { expected } = walk
    const next = end + batchSizeAt(view, end)
    if (next > limit || (upTo !== undefined && lastOffsetAt(view, end) >= upTo)) break
    const isSound = walk.faultOf(view, end) === undefined && !walk.isPassed && !walk.isEpochDoubtful
    if (!isSound || (checkCrcs && crcFaultAt(view, end) !== undefined)) {
      walk.expected = expected
      break
    }
    end = next
  }
  return end
}
