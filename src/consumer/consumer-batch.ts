import type { HandedOutBatch } from '../client/transactional-offsets.js'
import type { MaybePromise } from '../common/deferred.js'
import type { RecordHeader } from '../record/record.js'
import type { RecordCursor } from '../record/record-cursor.js'
import type { TypedTopic } from '../record/topic.js'
import type { AssignedPartition } from './assigned-partition.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { FetchedRecords } from './fetch/fetched-records.js'
import { copyHeaders, decodeField, decodeRecord, rejectedRecord } from './fetch/record-decoder.js'
import type { ReaderOwner } from './loop/reader.js'

/** The batches of the topics `T`: one type per topic, as with `RecordOf`. */
export type BatchOf<T, K = Uint8Array, V = Uint8Array> =
  T extends TypedTopic<infer Key, infer Value, infer Name>
    ? ConsumerBatch<Key, Value, Name>
    : ConsumerBatch<K, V, T extends string ? T : string>

/** By part of a batch: its partition. */
const parts = new WeakMap<object, AssignedPartition>()

/**
 * Records of one partition that were fetched together, in order. Iterate it for records, which may
 * be kept; or walk it with `cursor()`, which makes no objects. Both can be done more than once, but
 * only until the loop asks for the next batch.
 */
export class ConsumerBatch<K = Uint8Array, V = Uint8Array, N extends string = string> implements Iterable<ConsumerRecord<K, V, N>> {
  readonly topic: N
  readonly partition: number
  /** The offset of its first record. */
  readonly baseOffset: number
  /** The offset to go on at, after its last record. */
  readonly endOffset: number
  readonly recordCount: number
  /** The high watermark of the partition at the time of the fetch. */
  readonly highWatermark: number

  readonly #partition: AssignedPartition
  readonly #jumps: number
  readonly #owner: ReaderOwner
  readonly #fetched: FetchedRecords
  readonly #rejections: Promise<void>[] = []
  #isUsed = false
  #isFinished = false
  /** The shared walk over the batch; it knows which records were not handed out. */
  readonly #walk: Walk

  constructor(owner: ReaderOwner, partition: AssignedPartition, fetched: FetchedRecords, recordCount: number, endOffset: number) {
    this.topic = partition.topic as N
    this.partition = partition.partition
    this.baseOffset = fetched.cursor.offset
    this.endOffset = endOffset
    this.recordCount = recordCount
    this.highWatermark = partition.ends.highWatermark
    this.#owner = owner
    this.#partition = partition
    this.#jumps = partition.jumps
    this.#fetched = fetched
    this.#walk = new Walk(fetched, recordCount)
  }

  /**
   * The partition of a batch, or of a part of one, as it was assigned when the batch was handed
   * out; undefined for what is neither. @internal
   */
  static partitionOf(given: object): AssignedPartition | undefined {
    return #partition in given ? (given as ConsumerBatch).#partition : parts.get(given)
  }

  /** The records of a batch that come before an offset, for a commit. @internal */
  static upTo(batch: ConsumerBatch<unknown, unknown>, endOffset: number): HandedOutBatch {
    const part = { topic: batch.topic, partition: batch.partition, endOffset }
    parts.set(part, batch.#partition)
    return part
  }

  /**
   * True while its partition is here, and was not taken elsewhere by a jump since: then its records
   * do not come again. @internal
   */
  static isCurrent(batch: ConsumerBatch<unknown, unknown>): boolean {
    return batch.#jumps === batch.#partition.jumps && batch.#owner.assignment.has(batch.#partition)
  }

  /**
   * True if its partition is about to go to another member, which waits until this batch is out of
   * hand. @internal
   */
  static isWantedElsewhere(batch: ConsumerBatch<unknown, unknown>): boolean {
    return batch.#partition.isRevoking
  }

  /**
   * Gives up a batch: records of it that are not committed come again, here or elsewhere. @internal
   */
  static giveBack(batch: ConsumerBatch<unknown, unknown>): void {
    batch.#partition.goBack()
  }

  [Symbol.iterator](): IterableIterator<ConsumerRecord<K, V, N>> {
    const walk = this.#newWalk()
    const decode = () => this.#decode(walk.fetched)
    return {
      [Symbol.iterator]() {
        return this
      },
      next: () => {
        while (walk.next()) {
          const record = decode()
          if (record !== undefined) return { done: false, value: record }
        }
        return { done: true, value: undefined }
      }
    }
  }

  /** Walks the records without making an object for any of them. */
  cursor(): BatchCursor<K, V> {
    return new BatchCursor(this.#newWalk(), this.#partition)
  }

  /**
   * Called when the loop moves on: steps over what was not looked at, and waits for those who were
   * handed rejected records.
   */
  finish(): MaybePromise<void> {
    if (this.#isFinished) return
    this.#isFinished = true
    while (this.#walk.next());
    if (this.#rejections.length > 0) return Promise.all(this.#rejections).then(() => {})
  }

  #newWalk(): Walk {
    if (this.#isFinished) throw new TypeError('A batch can only be read until the loop asks for the next one')
    if (this.#isUsed) {
      const again = this.#fetched.again(this.baseOffset)
      again.next()
      return new Walk(again, this.recordCount)
    }
    this.#isUsed = true
    return this.#walk
  }

  #decode(fetched: FetchedRecords): ConsumerRecord<K, V, N> | undefined {
    try {
      return decodeRecord(this.#partition, fetched) as ConsumerRecord<K, V, N>
    } catch (error) {
      const rejection = this.#owner.rejected(rejectedRecord(this.#partition, fetched.cursor, error))
      if (rejection instanceof Promise) {
        rejection.catch(() => {})
        this.#rejections.push(rejection)
      }
      return undefined
    }
  }
}

/** A walk over a number of records, which starts at the current one. */
class Walk {
  readonly fetched: FetchedRecords
  #left: number
  #isFresh = true

  constructor(fetched: FetchedRecords, recordCount: number) {
    this.fetched = fetched
    this.#left = recordCount
  }

  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    if (this.#isFresh) {
      this.#isFresh = false
      return true
    }
    return this.fetched.next()
  }
}

/**
 * Stands at one record of a batch at a time. What it tells holds until it moves; keys and values
 * are decoded when they are asked for, and what decoding throws is thrown there.
 *
 * ```ts
 * for (const cursor = batch.cursor(); cursor.next(); ) total += cursor.value().amount
 * ```
 */
export class BatchCursor<K = Uint8Array, V = Uint8Array> {
  /**
   * The record as it stands, for those who want its bytes in place. They are only lent: neither
   * change nor keep them.
   */
  readonly raw: RecordCursor
  readonly #walk: Walk
  readonly #partition: AssignedPartition

  /** Made by `ConsumerBatch.cursor()`. */
  constructor(walk: Walk, partition: AssignedPartition) {
    this.#walk = walk
    this.#partition = partition
    this.raw = walk.fetched.cursor
  }

  /** The current record with everything decoded. Throws what a serde throws. @internal */
  static recordAt(cursor: BatchCursor<unknown, unknown>): ConsumerRecord<unknown, unknown> {
    return decodeRecord(cursor.#partition, cursor.#walk.fetched)
  }

  /** Moves to the next record. Returns `false` after the last one. */
  next(): boolean {
    return this.#walk.next()
  }

  get offset(): number {
    return this.raw.offset
  }

  /** Milliseconds since 1970; -1 when the record has none. */
  get timestamp(): number {
    return this.raw.timestamp
  }

  get leaderEpoch(): number {
    return this.#walk.fetched.leaderEpoch
  }

  key(): K {
    const { bytes, keyStart, keyLength } = this.raw
    return decodeField(this.#partition.serdes.key, bytes, keyStart, keyLength) as K
  }

  value(): V {
    const { bytes, valueStart, valueLength } = this.raw
    return decodeField(this.#partition.serdes.value, bytes, valueStart, valueLength) as V
  }

  headers(): readonly RecordHeader[] {
    return copyHeaders(this.raw)
  }
}
