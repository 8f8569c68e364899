import type { MaybePromise } from '../../common/deferred.js'
import { attribute, attributesAt, baseOffsetAt, lastOffsetAt, producerIdAt } from '../../record/batch-header.js'
import { batchesIn } from '../../record/record-batch.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { markerTypeAt } from '../compaction/survey.js'
import type { LogState } from '../log-state.js'
import { replay } from '../recovery/recovery.js'

/** The outcome of the transaction of a producer that had a batch at `from`. */
interface Verdict {
  readonly from: number
  readonly marker: number
  readonly isAborted: boolean
}

/** The offsets of batches whose transactions have not been seen to end, by producer. */
type Undecided = Map<number, number[]>

const maxVerdicts = 1000

/**
 * Holds what `.txnindex` files say against the markers in the log. Nothing in such a file protects
 * it, and where one is missing nobody can know: there are none where nothing was aborted. So
 * whoever is about to believe it looks, for each transaction that he meets, how it ended.
 */
export class TransactionCheck {
  readonly #log: LogState
  readonly #cursor = new RecordCursor()
  /** The last one of each producer. */
  readonly #verdicts = new Map<number, Verdict>()

  constructor(log: LogState) {
    this.#log = log
  }

  /**
   * True if the index is right about all transactions with batches in `bytes`, which are whole
   * batches.
   */
  holdsFor(bytes: Uint8Array): MaybePromise<boolean> {
    const undecided: Undecided = new Map()
    let next = 0
    for (const batch of batchesIn(bytes)) {
      next = batch.nextOffset
      // Batches that compaction has emptied are passed over anyway.
      if (!batch.isTransactional || batch.recordCount === 0) continue
      const isRight = batch.isControl ? this.#end(undecided, batch.bytes, 0) : this.#meet(undecided, batch.producerId, batch.baseOffset)
      if (!isRight) return false
    }
    return undecided.size === 0 ? true : this.#readOn(undecided, next)
  }

  /** A batch of data. */
  #meet(undecided: Undecided, producerId: number, offset: number): boolean {
    const verdict = this.#verdicts.get(producerId)
    if (verdict && offset >= verdict.from && offset < verdict.marker) return this.#says(verdict.isAborted, producerId, offset)
    const openFrom = this.#log.history.producers.get(producerId)?.transactionStart ?? -1
    if (openFrom >= 0 && offset >= openFrom) return this.#says(false, producerId, offset)
    const offsets = undecided.get(producerId)
    if (offsets) offsets.push(offset)
    else undecided.set(producerId, [offset])
    return true
  }

  /** A marker. */
  #end(undecided: Undecided, bytes: Uint8Array, at: number): boolean {
    const producerId = producerIdAt(bytes, at)
    const offsets = undecided.get(producerId)
    if (!offsets) return true
    undecided.delete(producerId)
    const isAborted = markerTypeAt(bytes, at, this.#cursor) === 'ABORT'
    if (this.#verdicts.size >= maxVerdicts) this.#verdicts.clear()
    this.#verdicts.set(producerId, { from: offsets[0], marker: baseOffsetAt(bytes, at), isAborted })
    return offsets.every(offset => this.#says(isAborted, producerId, offset))
  }

  /** Looks for the markers that come later. What has none stays undecided. */
  async #readOn(undecided: Undecided, next: number): Promise<boolean> {
    const { segments, logEndOffset } = this.#log
    let isRight = true
    await segments.holding(held =>
      replay(held, next, logEndOffset, (bytes, at) => {
        if (lastOffsetAt(bytes, at) < next) return false
        if (attributesAt(bytes, at) & attribute.control) isRight = this.#end(undecided, bytes, at)
        return !isRight || undecided.size === 0
      })
    )
    return isRight && [...undecided].every(([producerId, offsets]) => offsets.every(offset => this.#says(false, producerId, offset)))
  }

  #says(isAborted: boolean, producerId: number, offset: number): boolean {
    const { transactions } = this.#log.history
    return transactions.between(offset, offset + 1).some(entry => entry.producerId === producerId) === isAborted
  }
}
