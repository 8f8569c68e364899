import type { CompressionType } from '../record/compression/codec.js'
import { ProducerBatch } from './producer-batch.js'

/**
 * Memory of a new batch: with thousands of partitions most batches stay small; those that do not
 * grow once, and are used again.
 */
const firstBytes = 1024
/** Batches that are kept to be used again hold no more than this together. */
const mostPooledBytes = 8 * 1024 * 1024

/**
 * Batches that are used again once their fate is known: touching fresh memory costs more than
 * encoding a record.
 */
export class BatchPool {
  readonly #compression: CompressionType
  readonly #batchSize: number
  readonly #mostPooled: number
  #pool: ProducerBatch[] = []
  #isClosed = false

  constructor(compression: CompressionType, batchSize: number) {
    this.#compression = compression
    this.#batchSize = batchSize
    this.#mostPooled = Math.max(2, Math.floor(mostPooledBytes / Math.max(batchSize, firstBytes)))
  }

  /** An empty batch; one that was used before if there is one. */
  take(): ProducerBatch {
    return this.#pool.pop() ?? new ProducerBatch(this.#compression, Math.min(this.#batchSize, firstBytes))
  }

  /**
   * Takes back a batch whose fate is known. One that a request still holds is left to the garbage
   * collector, unless it is given again.
   */
  give(batch: ProducerBatch): void {
    if (this.#isClosed || batch.isLent || this.#pool.length >= this.#mostPooled || batch.sizeAtMost > 4 * this.#batchSize) return
    batch.reset()
    this.#pool.push(batch)
  }

  /** Leaves all batches, and those that are given from now on, to the garbage collector. */
  close(): void {
    this.#isClosed = true
    this.#pool = []
  }
}
