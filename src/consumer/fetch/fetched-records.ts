import { keepUntransferred, release } from '../../common/lease.js'
import { KafkaError } from '../../errors.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  batchSizeAt,
  headerBytes,
  lastOffsetAt,
  leaderEpochAt,
  lengthPrefixBytes,
  producerIdAt,
  recordCountAt
} from '../../record/batch-header.js'
import { controlTypeOf } from '../../record/control-record.js'
import { RecordBatch } from '../../record/record-batch.js'
import { RecordCursor } from '../../record/record-cursor.js'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** The first batch of a fetch is damaged. */
export class DamagedBatch extends KafkaError {
  /** The offset of what comes after it, as far as its bytes tell. */
  readonly nextOffset: number

  constructor(cause: KafkaError, nextOffset: number) {
    super(cause.code, cause.message, { cause })
    this.nextOffset = nextOffset
  }
}

function nextOffsetIn(bytes: Uint8Array, next: number, damaged: number): number {
  return bytes.length - next >= headerBytes ? baseOffsetAt(bytes, next) : lastOffsetAt(bytes, damaged) + 1
}

/**
 * The records of one partition out of one fetch, walked in order: from the offset that was asked
 * for, without control records and, when only committed records are wanted, without those of
 * aborted transactions. The cursor stands at the current record.
 */
export class FetchedRecords {
  /** The offset that was asked for. */
  readonly startOffset: number
  /** The offset after all of it: where to fetch next. */
  readonly endOffset: number
  readonly cursor: RecordCursor
  /** The leader epoch of the current batch. */
  leaderEpoch = -1

  readonly #bytes: Uint8Array
  readonly #size: number
  readonly #allAborted: readonly AbortedTransaction[] | null
  /** Aborted transactions that start later than what has been walked. */
  readonly #aborted: AbortedTransaction[] | undefined
  readonly #abortedProducers = new Set<number>()
  /** The positions of the current batch and of the next. */
  #batchPosition = 0
  #position = 0
  #isInBatch = false
  /** Records of the current batch that the cursor has not come to. */
  #leftInBatch = 0

  constructor(
    bytes: Uint8Array,
    startOffset: number,
    cursor: RecordCursor,
    aborted: readonly AbortedTransaction[] | null,
    checkCrcs: boolean
  ) {
    this.#bytes = bytes
    // Records of other partitions may have come in the same piece.
    keepUntransferred(bytes)
    this.startOffset = startOffset
    this.cursor = cursor
    this.#allAborted = aborted
    this.#aborted = aborted?.length ? [...aborted].sort((a, b) => a.firstOffset - b.firstOffset) : undefined
    let size = 0
    let endOffset = startOffset
    // The rest behind the last whole batch is the start of one that did not fit.
    while (bytes.length - size >= headerBytes) {
      const end = size + batchSizeAt(bytes, size)
      if (end > bytes.length || end < size + lengthPrefixBytes) break
      try {
        if (checkCrcs) new RecordBatch(bytes, size).verify()
      } catch (error) {
        // Batches before a damaged one are handed out; the next fetch begins with the damaged one.
        if (size > 0) break
        throw new DamagedBatch(error as KafkaError, nextOffsetIn(bytes, end, size))
      }
      // The checksum leaves the base offset out, so only its order tells that it is damaged.
      if (size > 0 && baseOffsetAt(bytes, size) < endOffset) throw new KafkaError('CORRUPT_MESSAGE', 'The offsets of a fetch go back')
      endOffset = lastOffsetAt(bytes, size) + 1
      size = end
    }
    if (size === 0 && bytes.length > 0) throw new KafkaError('CORRUPT_MESSAGE', 'A fetch returned no whole batch')
    if (size > 0 && endOffset <= startOffset)
      throw new KafkaError('CORRUPT_MESSAGE', `A fetch from ${startOffset} on ends before ${endOffset}`)
    this.#size = size
    this.endOffset = endOffset
  }

  get sizeInBytes(): number {
    return this.#size
  }

  /** Bytes of the batches that have not been begun. */
  get unreadBytes(): number {
    return this.#size - this.#position
  }

  /** Moves the cursor to the next record. Returns `false` after the last one. */
  next(): boolean {
    for (;;) {
      if (this.#isInBatch) {
        while (this.cursor.next()) {
          this.#leftInBatch--
          if (this.cursor.offset >= this.startOffset) return true
        }
        this.#isInBatch = false
      }
      if (this.#position >= this.#size) return false
      this.#open()
    }
  }

  /**
   * A stretch of records to hand out together: from the current one on, whole batches as long as
   * they fit in `limit` records, or a part of one that is larger.
   */
  stretch(limit: number): { recordCount: number; endOffset: number } {
    let recordCount = 1 + this.#leftInBatch
    if (recordCount > limit) return { recordCount: limit, endOffset: this.#offsetAfter(limit) }
    let endOffset = lastOffsetAt(this.#bytes, this.#batchPosition) + 1
    // The batches that follow have to be walked in order to know which of them count, if some
    // of them were aborted.
    const end = this.#aborted === undefined ? this.#size : this.#position
    for (let position = this.#position; position < end; position += batchSizeAt(this.#bytes, position)) {
      const count = attributesAt(this.#bytes, position) & attribute.control ? 0 : recordCountAt(this.#bytes, position)
      if (recordCount + count > limit) break
      recordCount += count
      endOffset = lastOffsetAt(this.#bytes, position) + 1
    }
    return { recordCount, endOffset }
  }

  /** The offset after `count` records of the current batch, counted from the current one. */
  #offsetAfter(count: number): number {
    const position = this.#batchPosition
    const isDense = recordCountAt(this.#bytes, position) === lastOffsetAt(this.#bytes, position) - baseOffsetAt(this.#bytes, position) + 1
    if (isDense) return this.cursor.offset + count
    const walk = new RecordCursor()
    walk.reset(this.#bytes, position)
    while (walk.next() && walk.offset < this.cursor.offset);
    for (let i = 1; i < count; i++) walk.next()
    return walk.offset + 1
  }

  /** The same records once more, from `offset` on, with a cursor of their own. */
  again(offset: number): FetchedRecords {
    return new FetchedRecords(this.#bytes, offset, new RecordCursor(), this.#allAborted, false)
  }

  /** Gives the memory back. The cursor must not be used any more. */
  release(): void {
    release(this.#bytes)
  }

  #open(): void {
    const bytes = this.#bytes
    const position = this.#position
    this.#batchPosition = position
    this.#position = position + batchSizeAt(bytes, position)
    const attributes = attributesAt(bytes, position)
    if (this.#aborted !== undefined) this.#beginTransactions(this.#aborted, lastOffsetAt(bytes, position))
    if (attributes & attribute.control) {
      if (this.#aborted !== undefined) this.#endTransaction(position)
      return
    }
    if (lastOffsetAt(bytes, position) < this.startOffset) return
    if (attributes & attribute.transactional && this.#abortedProducers.has(producerIdAt(bytes, position))) return
    this.cursor.reset(bytes, position)
    this.leaderEpoch = leaderEpochAt(bytes, position)
    this.#leftInBatch = recordCountAt(bytes, position)
    this.#isInBatch = true
  }

  /** Transactions that began up to an offset, of which only the marker may come yet. */
  #beginTransactions(aborted: AbortedTransaction[], lastOffset: number): void {
    while (aborted.length > 0 && aborted[0].firstOffset <= lastOffset) this.#abortedProducers.add(aborted.shift()!.producerId)
  }

  #endTransaction(position: number): void {
    this.cursor.reset(this.#bytes, position)
    if (this.cursor.next() && controlTypeOf(this.cursor.key()) === 'ABORT') {
      this.#abortedProducers.delete(producerIdAt(this.#bytes, position))
    }
  }
}
