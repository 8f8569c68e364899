import { type Deferred, deferred } from '../common/deferred.js'
import { BatchBuilder } from '../record/batch-builder.js'
import { headerBytes } from '../record/batch-header.js'
import type { CompressionType } from '../record/compression/codec.js'
import type { Field, HeaderField } from '../record/record.js'
import { RecordCursor } from '../record/record-cursor.js'
import type { Receipt } from './receipt.js'

/**
 * Records of one partition on their way: first open, while they are appended, then closed, with their bytes ready to be sent. Who waits for
 * them is kept in runs: one entry for all neighbouring records with the same receipt, so that a large `sendBatch` costs nothing per record.
 */
export class ProducerBatch {
  readonly #builder: BatchBuilder
  readonly #receipts: Receipt[] = []
  /** Position in the batch of the first record of each run. */
  readonly #starts: number[] = []
  /** The latest timestamp in each run. */
  readonly #timestamps: number[] = []
  /** For each record its number among those of its receipt. */
  #indexes = new Int32Array(64)
  #lastReceipt: Receipt | undefined
  #bytes: Uint8Array | undefined
  #settled: Deferred<void> | undefined
  /** Milliseconds on the clock at which it was begun, and at which it is given up. */
  createdAt = 0
  deadline = 0
  /** How often it has been sent. */
  attempts = 0
  lastError: unknown
  /** Whether the fate of its records is known. */
  isDone = false
  /** Whether a broker may still read its bytes although nobody waits for the response any more, so that they must not be used again. */
  isLent = false

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

  append(receipt: Receipt, index: number, timestamp: number, key: Field, value: Field, headers: readonly HeaderField[]): void {
    const position = this.#builder.recordCount
    this.#builder.append(timestamp, key, value, headers)
    if (receipt !== this.#lastReceipt) {
      this.#lastReceipt = receipt
      this.#receipts.push(receipt)
      this.#starts.push(position)
      this.#timestamps.push(timestamp)
    } else if (timestamp > this.#timestamps[this.#timestamps.length - 1]) this.#timestamps[this.#timestamps.length - 1] = timestamp
    if (position === this.#indexes.length) this.#growIndexes()
    this.#indexes[position] = index
  }

  #growIndexes(): void {
    const grown = new Int32Array(2 * this.#indexes.length)
    grown.set(this.#indexes)
    this.#indexes = grown
  }

  /** The batch as it travels. Closes it: nothing can be appended any more. */
  bytes(): Uint8Array {
    this.#bytes ??= this.#builder.build()
    return this.#bytes
  }

  /** Tells everyone where their records stand. `logAppendTime` is -1 where records keep their own time; `baseOffset`, where nobody has said. */
  deliver(partition: number, baseOffset: number, logAppendTime: number): void {
    this.isDone = true
    const receipts = this.#receipts
    const starts = this.#starts
    for (let i = 0; i < receipts.length; i++) {
      const start = starts[i]
      const end = i + 1 < starts.length ? starts[i + 1] : this.recordCount
      const timestamp = logAppendTime === -1 ? this.#timestamps[i] : logAppendTime
      receipts[i].delivered(partition, baseOffset === -1 ? -1 : baseOffset + start, end - start, timestamp)
    }
    this.#settled?.resolve()
  }

  /** Tells everyone that their records are given up; `errorAt`, where given, knows better about some of them, by position in the batch. */
  fail(partition: number, error: unknown, errorAt?: ReadonlyMap<number, unknown>): void {
    this.isDone = true
    for (let i = 0; i < this.#receipts.length; i++) {
      const end = i + 1 < this.#starts.length ? this.#starts[i + 1] : this.recordCount
      let start = this.#starts[i]
      while (start < end) {
        const reason = errorAt?.get(start) ?? error
        let next = start + 1
        while (next < end && (errorAt?.get(next) ?? error) === reason) next++
        this.#receipts[i].failed(partition, this.#indexes.subarray(start, next), reason)
        start = next
      }
    }
    this.#settled?.resolve()
  }

  /** Resolves when the fate of the records is known; never rejects. */
  whenSettled(): Promise<void> {
    this.#settled ??= deferred()
    if (this.isDone) this.#settled.resolve()
    return this.#settled.promise
  }

  /** Moves the records into two new batches of about half the size each, in order. */
  split(newBatch: () => ProducerBatch): [ProducerBatch, ProducerBatch] {
    const halves: [ProducerBatch, ProducerBatch] = [newBatch(), newBatch()]
    const middle = (headerBytes + this.sizeInBytes) / 2
    const cursor = new RecordCursor()
    cursor.reset(this.bytes(), 0)
    let run = -1
    for (let position = 0; cursor.next(); position++) {
      if (position === this.#starts[run + 1]) run++
      const isLast = position === this.recordCount - 1
      const isSecond = position > 0 && (halves[1].recordCount > 0 || isLast || halves[0].sizeInBytes >= middle)
      const half = halves[isSecond ? 1 : 0]
      half.append(this.#receipts[run], this.#indexes[position], cursor.timestamp, cursor.key(), cursor.value(), cursor.headers())
    }
    for (const half of halves) {
      half.createdAt = this.createdAt
      half.deadline = this.deadline
      half.lastError = this.lastError
    }
    // Whoever waits for the whole waits for both halves.
    const settled = this.#settled
    if (settled) Promise.all(halves.map(half => half.whenSettled())).then(() => settled.resolve())
    return halves
  }

  /** Makes it a new, empty batch. */
  reset(): void {
    this.#builder.reset()
    this.#receipts.length = 0
    this.#starts.length = 0
    this.#timestamps.length = 0
    this.#lastReceipt = undefined
    this.#bytes = undefined
    this.#settled = undefined
    this.attempts = 0
    this.lastError = undefined
    this.isDone = false
  }
}
