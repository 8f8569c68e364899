import type { Stretch } from '../common/turns.js'
import type { AnyTopic } from '../record/topic.js'
import { type AnyRecord, type EncodedRecord, encodedRecord, nameOf } from './producer-record.js'
import type { BatchReceipt, Receipt } from './receipt.js'
import { type KnownPartitions, type Progress, progress, type TopicWriter } from './topic-writer.js'

/** The rest of one `send` or `sendBatch`: the records that are not in a batch yet. */
export interface PendingAppend {
  readonly topic: AnyTopic | string
  readonly signal: AbortSignal | undefined
  /** The number of its records that are in batches. */
  readonly appendedCount: number
  /** True if the topic was looked up because of the record that comes next. */
  isFresh: boolean
  /**
   * Appends what it can in one stretch, and says what it then lacks. Throws what is wrong with a
   * record.
   */
  run(writer: TopicWriter, known: KnownPartitions, now: number, stretch: Stretch): Progress
  /** Ends it early: the records that are left are not sent. */
  refuse(error: unknown): void
}

/** A `send` that has to wait. The record is taken as it is at the call. */
export class PendingRecord implements PendingAppend {
  readonly topic: AnyTopic | string
  readonly receipt: Receipt
  readonly signal: AbortSignal | undefined
  readonly appendedCount = 0
  isFresh = false
  readonly #encoded: EncodedRecord

  /** Throws what is wrong with the record. */
  constructor(topic: AnyTopic | string, record: AnyRecord, receipt: Receipt, signal: AbortSignal | undefined) {
    this.topic = topic
    this.receipt = receipt
    this.signal = signal
    this.#encoded = encodedRecord(topic, record)
  }

  run(writer: TopicWriter, known: KnownPartitions, now: number): Progress {
    return writer.append(this.topic, this.#encoded.record, known, this.isFresh, now, this.receipt, 0, this.#encoded)
  }

  refuse(error: unknown): void {
    this.receipt.refused(error)
  }
}

/**
 * A `sendBatch` from its first record on: it takes records from an array or an iterator as long as
 * there is room for them.
 */
export class PendingRecords implements PendingAppend {
  readonly topic: AnyTopic | string
  readonly receipt: BatchReceipt
  readonly signal: AbortSignal | undefined
  isFresh = false
  readonly #list: readonly AnyRecord[] | undefined
  readonly #iterator: Iterator<AnyRecord> | undefined
  /** A record that was taken from the iterator and found no room. */
  #held: { readonly record: AnyRecord } | undefined
  #index = 0

  constructor(topic: AnyTopic | string, records: Iterable<AnyRecord>, receipt: BatchReceipt, signal: AbortSignal | undefined) {
    this.topic = topic
    this.receipt = receipt
    this.signal = signal
    if (Array.isArray(records)) this.#list = records
    else this.#iterator = records[Symbol.iterator]()
  }

  get appendedCount(): number {
    return this.#index
  }

  run(writer: TopicWriter, known: KnownPartitions, now: number, stretch: Stretch): Progress {
    const start = this.#index
    stretch.begin()
    try {
      const outcome = this.#list ? this.#runList(this.#list, writer, known, now, stretch) : this.#runIterator(writer, known, now, stretch)
      this.receipt.accept(this.#index - start)
      if (outcome === progress.appended) this.receipt.complete()
      return outcome
    } catch (error) {
      this.receipt.accept(this.#index - start)
      throw error
    }
  }

  #runList(list: readonly AnyRecord[], writer: TopicWriter, known: KnownPartitions, now: number, stretch: Stretch): Progress {
    const { topic, receipt } = this
    let index = this.#index
    try {
      for (; index < list.length; index++) {
        if (stretch.isDue() && stretch.isOver()) return progress.needsTurn
        const outcome = writer.append(topic, list[index], known, this.isFresh, now, receipt, index)
        if (outcome !== progress.appended) return outcome
      }
    } finally {
      this.#index = index
    }
    return progress.appended
  }

  #runIterator(writer: TopicWriter, known: KnownPartitions, now: number, stretch: Stretch): Progress {
    const { topic, receipt } = this
    for (;;) {
      if (stretch.isDue() && stretch.isOver()) return progress.needsTurn
      if (!this.#held) {
        const step = this.#iterator!.next()
        if (step.done) return progress.appended
        this.#held = { record: step.value }
      }
      const outcome = writer.append(topic, this.#held.record, known, this.isFresh, now, receipt, this.#index)
      if (outcome !== progress.appended) return outcome
      this.#held = undefined
      this.#index++
    }
  }

  refuse(error: unknown): void {
    this.receipt.refused(error)
    try {
      this.#iterator?.return?.()
    } catch {
      // The call has failed already, and says why.
    }
  }
}

export function topicOf(append: PendingAppend): string {
  return nameOf(append.topic)
}
