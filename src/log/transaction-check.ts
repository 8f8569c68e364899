import { isPromise, type MaybePromise } from '../common/deferred.js'
import { release } from '../common/lease.js'
import { KafkaError } from '../errors.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  batchSizeAt,
  headerBytes,
  lastOffsetAt,
  producerIdAt,
  recordCountAt
} from '../record/batch-header.js'
import { RecordCursor } from '../record/record-cursor.js'
import { markerTypeAt } from './compaction/survey.js'
import type { ProducerState } from './producer-state.js'
import type { TransactionIndex } from './transaction-index.js'

export interface CheckedLog {
  readonly logEndOffset: number
  readonly producers: ProducerState
  read(offset: number, maxBytes: number): MaybePromise<Uint8Array>
}

/** How the transaction of a producer ended that had a batch at `from`. */
interface Verdict {
  readonly from: number
  readonly marker: number
  readonly isAborted: boolean
}

const readBytes = 1024 * 1024
const maxVerdicts = 1000

/**
 * Holds what `.txnindex` files say against the markers in the log. Nothing in such a file protects it, and where one is missing nobody can know: there are
 * none where nothing was aborted. So whoever is about to believe it looks, for each transaction that he meets, how it ended.
 */
export class TransactionCheck {
  readonly #log: CheckedLog
  readonly #index: TransactionIndex
  readonly #cursor = new RecordCursor()
  /** The last one of each producer. */
  readonly #verdicts = new Map<number, Verdict>()

  constructor(log: CheckedLog, index: TransactionIndex) {
    this.#log = log
    this.#index = index
  }

  /** Whether the index is right about all transactions with batches in `bytes`, which are whole batches. */
  holdsFor(bytes: Uint8Array): MaybePromise<boolean> {
    /** Batches of transactions whose ends have not been seen, by producer. */
    const open = new Map<number, number[]>()
    let next = 0
    let at = 0
    for (; at + headerBytes <= bytes.length; at += soundSizeAt(bytes, at)) {
      next = lastOffsetAt(bytes, at) + 1
      const attributes = attributesAt(bytes, at)
      // What compaction has emptied is passed over anyway.
      if (!(attributes & attribute.transactional) || recordCountAt(bytes, at) === 0) continue
      if (
        !(attributes & attribute.control ? this.#end(open, bytes, at) : this.#meet(open, producerIdAt(bytes, at), baseOffsetAt(bytes, at)))
      )
        return false
    }
    return open.size === 0 ? true : this.#readOn(open, next)
  }

  /** A batch of data. */
  #meet(open: Map<number, number[]>, producerId: number, offset: number): boolean {
    const verdict = this.#verdicts.get(producerId)
    if (verdict && offset >= verdict.from && offset < verdict.marker) return this.#says(verdict.isAborted, producerId, offset)
    const undecidedFrom = this.#log.producers.get(producerId)?.transactionStart ?? -1
    if (undecidedFrom >= 0 && offset >= undecidedFrom) return this.#says(false, producerId, offset)
    const offsets = open.get(producerId)
    if (offsets) offsets.push(offset)
    else open.set(producerId, [offset])
    return true
  }

  /** A marker. */
  #end(open: Map<number, number[]>, bytes: Uint8Array, at: number): boolean {
    const producerId = producerIdAt(bytes, at)
    const offsets = open.get(producerId)
    if (!offsets) return true
    open.delete(producerId)
    const isAborted = markerTypeAt(bytes, at, this.#cursor) === 'ABORT'
    if (this.#verdicts.size >= maxVerdicts) this.#verdicts.clear()
    this.#verdicts.set(producerId, { from: offsets[0], marker: baseOffsetAt(bytes, at), isAborted })
    return offsets.every(offset => this.#says(isAborted, producerId, offset))
  }

  /** Looks for the markers that come later. What has none is undecided. */
  async #readOn(open: Map<number, number[]>, next: number): Promise<boolean> {
    while (open.size > 0 && next < this.#log.logEndOffset) {
      const read = this.#log.read(next, readBytes)
      const bytes = isPromise(read) ? await read : read
      if (bytes.length === 0) break
      try {
        for (let at = 0; at + headerBytes <= bytes.length && open.size > 0; at += soundSizeAt(bytes, at)) {
          if (lastOffsetAt(bytes, at) < next) throw damaged(`offset ${lastOffsetAt(bytes, at)} comes where ${next} is due`)
          next = lastOffsetAt(bytes, at) + 1
          if (attributesAt(bytes, at) & attribute.control && !this.#end(open, bytes, at)) return false
        }
      } finally {
        release(bytes)
      }
    }
    return [...open].every(([producerId, offsets]) => offsets.every(offset => this.#says(false, producerId, offset)))
  }

  #says(isAborted: boolean, producerId: number, offset: number): boolean {
    return this.#index.between(offset, offset + 1).some(entry => entry.producerId === producerId) === isAborted
  }
}

/** The offset after the last one of whole batches; 0 where there are none. */
export function nextOffsetIn(bytes: Uint8Array): number {
  let next = 0
  for (let at = 0; at + headerBytes <= bytes.length; at += soundSizeAt(bytes, at)) next = lastOffsetAt(bytes, at) + 1
  return next
}

function soundSizeAt(bytes: Uint8Array, at: number): number {
  const size = batchSizeAt(bytes, at)
  if (size < headerBytes) throw damaged(`its size is ${size}`)
  return size
}

function damaged(reason: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `A batch is damaged: ${reason}`)
}
