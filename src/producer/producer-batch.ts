import { assert } from '../common/assert.js'
import { type Deferred, deferred } from '../common/deferred.js'
import { appendChecked, BatchBuilder, buildChecked, copyChecked } from '../record/batch-builder.js'
import { headerBytes, noProducerId, noSequence, sequenceAfter } from '../record/batch-header.js'
import type { CompressionType } from '../record/compression/codec.js'
import type { Field, HeaderField } from '../record/record.js'
import { RecordCursor } from '../record/record-cursor.js'
import type { Receipt } from './receipt.js'

/** For the header of the batch that is being built: one serves all. */
const stamp = { producerId: noProducerId, producerEpoch: -1, baseSequence: noSequence, transactional: false }

/** Free batches have no records; the fate of the records of those that are done is known. */
type State = 'free' | 'begun' | 'done'

/**
 * Records of one partition on their way: first open, while they are appended, then closed, with
 * their bytes ready to be sent. Who waits for them is kept in runs: one entry for all neighbouring
 * records with the same receipt, so that a large `sendBatch` costs nothing per record.
 *
 * Size: a batch has fields for each stage of its life, and only it may change from one stage to the
 * next.
 */
export class ProducerBatch {
  readonly #builder: BatchBuilder
  /**
   * The runs: who waits, the position in the batch of the first record, the latest timestamp. Only
   * the first `#runCount` count.
   */
  readonly #receipts: (Receipt | undefined)[] = []
  readonly #starts: number[] = []
  readonly #timestamps: number[] = []
  #runCount = 0
  /** For each record its number among those of its receipt. */
  #indexes = new Int32Array(64)
  #lastReceipt: Receipt | undefined
  #bytes: Uint8Array | undefined
  #settled: Deferred<void> | undefined
  #state: State = 'free'
  #order = 0
  /** The next batch of the partition has this much more as its order. */
  #span = 1
  #producerId = noProducerId
  #producerEpoch = -1
  #baseSequence = noSequence
  #isTransactional = false
  /** True if the header in its bytes has another number. */
  #isRenumbered = false
  #maybeWritten = false
  #isSentFirst = false
  #createdAt = 0
  #deadline = 0
  #attempts = 0
  #lastError: unknown
  #countedBytes = 0
  #isAnswered = false
  /** Requests that have not ended and hold its bytes. */
  #loans = 0

  constructor(compression: CompressionType, initialBytes: number) {
    this.#builder = new BatchBuilder({ compression, initialBytes })
  }

  get recordCount(): number {
    return this.#builder.recordCount
  }

  /** Before compression, header included. */
  get sizeInBytes(): number {
    return this.#builder.sizeInBytes
  }

  /** The upper bound of it, which is cheaper to know while records come. */
  get sizeAtMost(): number {
    return this.#builder.sizeAtMost
  }

  /** True if `bytes` more leave it within `limit`. */
  hasRoomFor(bytes: number, limit: number): boolean {
    return this.#builder.hasRoomFor(bytes, limit)
  }

  /**
   * Its place in the order of its partition's batches; the halves of a batch take its place and one
   * just after it.
   */
  get order(): number {
    return this.#order
  }

  /** Milliseconds of the monotonic clock at which it was begun. */
  get createdAt(): number {
    return this.#createdAt
  }

  /** Milliseconds of the monotonic clock at which it is given up. */
  get deadline(): number {
    return this.#deadline
  }

  /** The number of times that it was sent. */
  get attempts(): number {
    return this.#attempts
  }

  /** The error of the last try. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Bytes of the producer's buffer that are counted for it. */
  get countedBytes(): number {
    return this.#countedBytes
  }

  /** True if the fate of its records is known. */
  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** True if a broker has said what becomes of them, which is about to be looked at. */
  get isAnswered(): boolean {
    return this.#isAnswered
  }

  /** True if it has a sequence number, under which a broker may know it. */
  get isNumbered(): boolean {
    return this.#baseSequence !== noSequence
  }

  /** Gives it a sequence number, which it keeps for all tries. */
  number(producerId: number, producerEpoch: number, baseSequence: number, isTransactional = false): void {
    this.#isTransactional = isTransactional
    this.#producerId = producerId
    this.#producerEpoch = producerEpoch
    this.#baseSequence = baseSequence
    this.#isRenumbered = this.#bytes !== undefined
  }

  /** Takes the number back: nothing that was sent with it can be written any more. */
  unnumber(): void {
    this.number(noProducerId, -1, noSequence)
  }

  /** True if a try may have been written although nobody has said so. */
  get maybeWritten(): boolean {
    return this.#maybeWritten
  }

  /** A try has ended without a word about whether it was written. */
  leftInDoubt(): void {
    this.#maybeWritten = true
  }

  /** True if all before it had ended when it was last sent. */
  get isSentFirst(): boolean {
    return this.#isSentFirst
  }

  /** Takes a free batch into use. */
  begin(order: number, createdAt: number, deadline: number, span = 1): void {
    assert(this.#state === 'free', 'a batch that is begun to be free')
    this.#state = 'begun'
    this.#order = order
    this.#span = span
    this.#createdAt = createdAt
    this.#deadline = deadline
  }

  /** Counts what it takes of the buffer at most. Returns how much that is more than before. */
  count(): number {
    const bytes = this.#builder.sizeAtMost
    const added = bytes - this.#countedBytes
    this.#countedBytes = bytes
    return added
  }

  /** Counts what it takes of the buffer to the byte, like `count`. */
  countExactly(): number {
    this.#builder.measure()
    return this.count()
  }

  /** Counts nothing any more for it. Returns how much was counted. */
  uncount(): number {
    const counted = this.#countedBytes
    this.#countedBytes = 0
    return counted
  }

  /** A try begins, after all batches before it have ended or not. */
  tried(isSentFirst: boolean): void {
    this.#attempts++
    this.#isSentFirst = isSentFirst
  }

  /** The last try failed for now; one that does not count is made up for at once. */
  tryFailed(error: unknown, counts: boolean): void {
    this.#lastError = error
    if (!counts) this.#attempts--
  }

  /**
   * A broker has answered: its time is not over any more, however long the answer waits to be
   * looked at.
   */
  answered(): void {
    this.#isAnswered = true
  }

  /** The answer is being looked at. */
  answerRead(): void {
    this.#isAnswered = false
  }

  append(receipt: Receipt, index: number, timestamp: number, key: Field, value: Field, headers: readonly HeaderField[]): void {
    const position = this.#builder.recordCount
    appendChecked(this.#builder, timestamp, key, value, headers)
    if (receipt !== this.#lastReceipt) {
      this.#lastReceipt = receipt
      const run = this.#runCount++
      this.#receipts[run] = receipt
      this.#starts[run] = position
      this.#timestamps[run] = timestamp
    } else if (timestamp > this.#timestamps[this.#runCount - 1]) this.#timestamps[this.#runCount - 1] = timestamp
    if (position === this.#indexes.length) this.#growIndexes()
    this.#indexes[position] = index
  }

  #growIndexes(): void {
    const grown = new Int32Array(2 * this.#indexes.length)
    grown.set(this.#indexes)
    this.#indexes = grown
  }

  /** True if a request that has not ended holds its bytes. */
  get isLent(): boolean {
    return this.#loans > 0
  }

  /**
   * The batch as it travels, until `giveBack`. Closes it: nothing can be appended any more. The
   * borrower may write to the header (a log stamps its offset there), so that no two have the same
   * bytes: while a request has not ended the next one gets a copy.
   */
  lend(): Uint8Array {
    const bytes = this.#ownBytes()
    this.#loans++
    return bytes
  }

  /** A request that its bytes were lent to has ended: its promise has settled. */
  giveBack(): void {
    assert(this.#loans > 0, 'a batch that is given back to have been lent')
    this.#loans--
  }

  /** Its bytes, which nobody else has. */
  #ownBytes(): Uint8Array {
    if (this.#bytes !== undefined && this.#loans === 0 && !this.#isRenumbered) return this.#bytes
    stamp.producerId = this.#producerId
    stamp.producerEpoch = this.#producerEpoch
    stamp.baseSequence = this.#baseSequence
    stamp.transactional = this.#isTransactional
    this.#bytes = this.#loans > 0 ? copyChecked(this.#builder, stamp) : buildChecked(this.#builder, stamp)
    this.#isRenumbered = false
    return this.#bytes
  }

  /**
   * Tells everyone where their records stand. `logAppendTime` is -1 where records keep their own
   * time; `baseOffset`, where nobody has said.
   */
  deliver(partition: number, baseOffset: number, logAppendTime: number): void {
    this.#end()
    for (let run = 0; run < this.#runCount; run++) {
      const start = this.#starts[run]
      const end = this.#endOf(run)
      const timestamp = logAppendTime === -1 ? this.#timestamps[run] : logAppendTime
      this.#receipts[run]!.delivered(partition, baseOffset === -1 ? -1 : baseOffset + start, end - start, timestamp)
    }
    this.#settled?.resolve()
  }

  /**
   * Tells everyone that their records are given up; `errorAt`, where given, knows better about some
   * of them, by position in the batch.
   */
  fail(partition: number, error: unknown, errorAt?: ReadonlyMap<number, unknown>): void {
    this.#end()
    for (let run = 0; run < this.#runCount; run++) {
      const end = this.#endOf(run)
      let start = this.#starts[run]
      while (start < end) {
        const reason = errorAt?.get(start) ?? error
        let next = start + 1
        while (next < end && (errorAt?.get(next) ?? error) === reason) next++
        this.#receipts[run]!.failed(partition, this.#indexes.subarray(start, next), reason)
        start = next
      }
    }
    this.#settled?.resolve()
  }

  #end(): void {
    assert(this.#state === 'begun', 'the records of a batch to have one fate')
    this.#state = 'done'
  }

  #endOf(run: number): number {
    return run + 1 < this.#runCount ? this.#starts[run + 1] : this.recordCount
  }

  /** Resolves when the fate of the records is known; never rejects. */
  whenSettled(): Promise<void> {
    this.#settled ??= deferred()
    if (this.isDone) this.#settled.resolve()
    return this.#settled.promise
  }

  /**
   * Moves the records into two new batches of about half the size each, in order; they share its
   * sequence numbers.
   */
  split(newBatch: () => ProducerBatch): [ProducerBatch, ProducerBatch] {
    const halves: [ProducerBatch, ProducerBatch] = [newBatch(), newBatch()]
    const span = this.#span / 2
    for (const [i, half] of halves.entries()) {
      half.begin(this.#order + i * span, this.#createdAt, this.#deadline, span)
      half.#lastError = this.#lastError
      half.#maybeWritten = this.#maybeWritten
    }
    const middle = (headerBytes + this.sizeInBytes) / 2
    const cursor = new RecordCursor()
    cursor.reset(this.#ownBytes(), 0)
    let run = -1
    for (let position = 0; cursor.next(); position++) {
      if (run + 1 < this.#runCount && position === this.#starts[run + 1]) run++
      const isLast = position === this.recordCount - 1
      const isSecond = position > 0 && (halves[1].recordCount > 0 || isLast || halves[0].sizeInBytes >= middle)
      const half = halves[isSecond ? 1 : 0]
      half.append(this.#receipts[run]!, this.#indexes[position], cursor.timestamp, cursor.key(), cursor.value(), cursor.headers())
    }
    if (this.isNumbered) {
      const second = sequenceAfter(this.#baseSequence, halves[0].recordCount)
      halves[0].number(this.#producerId, this.#producerEpoch, this.#baseSequence, this.#isTransactional)
      halves[1].number(this.#producerId, this.#producerEpoch, second, this.#isTransactional)
    }
    this.#end()
    // A waiter for the whole batch waits for both halves.
    const settled = this.#settled
    if (settled) Promise.all(halves.map(half => half.whenSettled())).then(() => settled.resolve())
    return halves
  }

  /** Makes it a new, empty batch. */
  reset(): void {
    assert(this.#loans === 0 && this.#state === 'done' && this.#countedBytes === 0, 'a batch that is used again to be done and given back')
    this.#builder.reset()
    for (let run = 0; run < this.#runCount; run++) this.#receipts[run] = undefined
    this.#runCount = 0
    this.#lastReceipt = undefined
    this.#bytes = undefined
    this.#settled = undefined
    this.#attempts = 0
    this.#lastError = undefined
    this.unnumber()
    this.#maybeWritten = false
    this.#state = 'free'
  }
}
