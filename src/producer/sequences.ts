import { lastProducerEpoch, noProducerId, sequenceAfter } from '../record/batch-header.js'
import type { ProducerBatch } from './producer-batch.js'
import type { SequenceIdentity } from './producer-identity.js'

/**
 * Batches of a partition that may be under way at a time: a broker recognizes so many when they are
 * sent again.
 */
const mostInFlight = 5

/**
 * The sequence numbers of one partition's batches (KIP-98, KIP-360). A broker takes a batch only
 * after the one before it, and recognizes one that it has, so that a batch that keeps its number
 * may be sent any number of times. Where a number will never be used, those after it are of no use
 * either: then numbers begin again with 0 in the next epoch, which no batch of an earlier epoch can
 * follow.
 */
export class Sequences {
  readonly #identity: SequenceIdentity
  #producerId = noProducerId
  #epoch = 0
  #next = 0
  /**
   * True if the leader has taken a batch of this epoch. One that knows nothing of a producer takes
   * any number, so the first batch goes alone.
   */
  #isConfirmed = false
  #mustRestart = false
  /**
   * Place of the last batch that was given up without knowing whether it was written; -1 where
   * nothing is in doubt.
   */
  #doubtfulOrder = -1

  constructor(identity: SequenceIdentity) {
    this.#identity = identity
  }

  /** The most batches that may be under way at present. */
  get mostInFlight(): number {
    return this.#isConfirmed ? mostInFlight : 1
  }

  /** True if nothing may be sent before the batches under way have ended. */
  get mustRestart(): boolean {
    return this.#mustRestart
  }

  /**
   * True if batches may only go that have their numbers: they show whether one before them was
   * written.
   */
  get isInDoubt(): boolean {
    return this.#doubtfulOrder >= 0
  }

  /** Gives a batch that is about to be sent the next number, unless it has one. */
  number(batch: ProducerBatch): void {
    if (batch.isNumbered) return
    if (this.#producerId === noProducerId) {
      this.#producerId = this.#identity.producerId
      this.#epoch = this.#identity.epoch
    }
    batch.number(this.#producerId, this.#epoch, this.#next, this.#identity.isTransactional)
    this.#next = sequenceAfter(this.#next, batch.recordCount)
  }

  /** A batch with a number was written. */
  written({ order }: ProducerBatch): void {
    this.#isConfirmed = true
    if (order >= this.#doubtfulOrder) this.#doubtfulOrder = -1
  }

  /** A batch with a number was given up; whether it was written shows in those after it. */
  doubt({ order }: ProducerBatch): void {
    if (order > this.#doubtfulOrder) this.#doubtfulOrder = order
  }

  /** A number will never be used, or the leader expects another. */
  breakOff(): void {
    this.#mustRestart = true
  }

  /** Somebody else writes with this id. */
  abandonId(): void {
    this.#identity.retire(this.#producerId)
    this.#mustRestart = true
  }

  /**
   * The next transaction begins, with the epoch that its producer has by now. Nothing is under way.
   */
  beginTransaction(): void {
    this.#producerId = noProducerId
    this.#beginAtZero()
  }

  #beginAtZero(): void {
    this.#next = 0
    this.#isConfirmed = false
    this.#mustRestart = false
    this.#doubtfulOrder = -1
  }

  /** Begins a new epoch: nothing is under way, and what waits loses its numbers. */
  restart(waiting: Iterable<ProducerBatch>): void {
    for (const batch of waiting) batch.unnumber()
    this.#beginAtZero()
    // The transaction has failed: it is aborted, whatever is still written.
    if (this.#identity.isTransactional) return
    if (this.#producerId === this.#identity.producerId && this.#epoch < lastProducerEpoch) this.#epoch++
    else {
      this.#producerId = this.#identity.producerId
      this.#epoch = 0
    }
    // By the time that this epoch ends there is another id.
    if (this.#epoch === lastProducerEpoch) this.#identity.retire(this.#producerId)
  }
}
