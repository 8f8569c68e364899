import { attribute, attributesAt, baseOffsetAt, lastOffsetAt, producerIdAt } from '../../record/batch-header.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { type AbortedRange, markerTypeAt } from './survey.js'

/**
 * Knows, as the batches of a log pass by in order, which belong to a transaction that was aborted,
 * and of which transactions nothing but the marker is left.
 */
export class TransactionRemains {
  readonly #aborted: readonly AbortedRange[]
  readonly #cursor = new RecordCursor()
  #nextAborted = 0
  /** By producer: whether a batch of its aborted transaction has passed by. */
  readonly #openAborted = new Map<number, boolean>()
  /** Producers of whose transaction, which is not aborted, a batch has passed by. */
  readonly #openCommitted = new Set<number>()

  /** The transactions in the order of their first offsets. */
  constructor(aborted: readonly AbortedRange[]) {
    this.#aborted = aborted
  }

  /** Takes in the next batch of data. Returns whether it was aborted. */
  isAborted(bytes: Uint8Array, position: number): boolean {
    this.#openUpTo(bytes, position)
    if (!(attributesAt(bytes, position) & attribute.transactional)) return false
    const producerId = producerIdAt(bytes, position)
    const isAborted = this.#openAborted.has(producerId)
    if (isAborted) this.#openAborted.set(producerId, true)
    else this.#openCommitted.add(producerId)
    return isAborted
  }

  /** Takes in the next control batch. Returns whether nothing is left of what it ends. */
  endsNothing(bytes: Uint8Array, position: number): boolean {
    this.#openUpTo(bytes, position)
    const producerId = producerIdAt(bytes, position)
    switch (markerTypeAt(bytes, position, this.#cursor)) {
      case 'ABORT': {
        const hasData = this.#openAborted.get(producerId) ?? false
        this.#openAborted.delete(producerId)
        return !hasData
      }
      case 'COMMIT':
        return !this.#openCommitted.delete(producerId)
      case undefined:
        return true
      default:
        return false
    }
  }

  /**
   * Opens the transactions that have begun with the batch at hand, or before the first that passes
   * by, but for those that ended before.
   */
  #openUpTo(bytes: Uint8Array, position: number): void {
    for (; this.#nextAborted < this.#aborted.length; this.#nextAborted++) {
      const { producerId, firstOffset, lastOffset } = this.#aborted[this.#nextAborted]
      if (firstOffset > lastOffsetAt(bytes, position)) return
      if (lastOffset >= baseOffsetAt(bytes, position)) this.#openAborted.set(producerId, this.#openAborted.get(producerId) ?? false)
    }
  }
}
