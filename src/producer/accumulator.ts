import type { Clock } from '../common/clock.js'
import type { CompressionType } from '../record/compression/codec.js'
import { Alarm } from './alarm.js'
import type { PartitionQueue } from './partition-queue.js'
import { ProducerBatch } from './producer-batch.js'

export interface AccumulatorOptions {
  readonly clock: Clock
  readonly compression: CompressionType
  readonly batchSize: number
  readonly lingerMs: number
  readonly bufferMemory: number
  readonly deliveryTimeoutMs: number
}

/** Memory of a new batch: with thousands of partitions most batches stay small; those that do not grow once, and are used again. */
const firstBytes = 1024
const none: PartitionQueue[] = []
/** Batches that are kept to be used again hold no more than this together. */
const mostPooledBytes = 8 * 1024 * 1024

/**
 * Where records gather: it opens batches, counts the memory that they hold, and lists the partitions that have something to send. Batches
 * are used again once their fate is known, since touching fresh memory costs more than encoding a record.
 */
export class Accumulator {
  readonly batchSize: number
  readonly bufferMemory: number
  readonly #compression: CompressionType
  readonly #lingerMs: number
  readonly #deliveryTimeoutMs: number
  readonly #lingerAlarm: Alarm
  readonly #lingering: { readonly queue: PartitionQueue; readonly until: number }[] = []
  readonly #clock: Clock
  readonly #pool: ProducerBatch[] = []
  readonly #mostPooled: number
  #ready = none
  /** How many reasons there are not to let batches wait for more records: flushes, and senders that need the memory. */
  #hurries = 0
  /** Bytes of records whose fate is not known. */
  used = 0
  /** Called when a partition has something to send. */
  onReady: () => void = () => {}

  constructor(options: AccumulatorOptions) {
    this.batchSize = options.batchSize
    this.bufferMemory = options.bufferMemory
    this.#compression = options.compression
    this.#lingerMs = options.lingerMs
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs
    this.#clock = options.clock
    this.#lingerAlarm = new Alarm(options.clock, () => this.#endLinger(), { keepAlive: true })
    this.#mostPooled = Math.max(2, Math.floor(mostPooledBytes / Math.max(options.batchSize, 1024)))
  }

  /** Whether so many more bytes may be taken in. One record is always taken, so that nothing waits for ever. */
  hasRoomFor(bytes: number): boolean {
    return this.used + bytes <= this.bufferMemory || this.used === 0
  }

  openBatch(queue: PartitionQueue): ProducerBatch {
    const batch = this.newBatch()
    const now = this.#clock.monotonic()
    batch.createdAt = now
    batch.deadline = now + this.#deliveryTimeoutMs
    queue.open = batch
    this.count(batch)
    return batch
  }

  /** Counts what a batch takes of the buffer, at most or, where that matters, to the byte. Returns how much that is more than before. */
  count(batch: ProducerBatch, bytes = batch.sizeAtMost): number {
    const added = bytes - batch.countedBytes
    batch.countedBytes = bytes
    this.used += added
    return added
  }

  /** An empty batch; one that was used before if there is one. */
  newBatch(): ProducerBatch {
    return this.#pool.pop() ?? new ProducerBatch(this.#compression, Math.min(this.batchSize, firstBytes))
  }

  /** Says that records were added to the open batch of a partition. */
  appended(queue: PartitionQueue): void {
    if (queue.isListed || queue.inFlight) return
    if (this.#lingerMs === 0 || this.#hurries > 0 || queue.closed.length > 0) return this.list(queue)
    if (queue.open?.recordCount !== 1) return
    const until = queue.open.createdAt + this.#lingerMs
    this.#lingering.push({ queue, until })
    this.#lingerAlarm.set(until)
  }

  /** Lets the sender look at a partition. */
  list(queue: PartitionQueue): void {
    if (queue.isListed) return
    queue.isListed = true
    if (this.#ready.length > 0) this.#ready.push(queue)
    else this.#ready = [queue]
    this.onReady()
  }

  /** Lets the sender look at a partition if it has anything that could be sent. */
  listIfDue(queue: PartitionQueue): void {
    if (!queue.isEmpty && !queue.inFlight) this.list(queue)
  }

  /** The partitions to look at. */
  takeListed(): readonly PartitionQueue[] {
    const listed = this.#ready
    if (listed.length === 0) return listed
    this.#ready = none
    for (const queue of listed) queue.isListed = false
    return listed
  }

  /** Takes the next batch to send from a partition, if one is due. */
  take(queue: PartitionQueue, now: number): ProducerBatch | undefined {
    if (queue.closed.length > 0) return queue.closed.shift()
    const { open } = queue
    if (!open) return undefined
    if (this.#lingerMs > 0 && this.#hurries === 0 && now < open.createdAt + this.#lingerMs) {
      this.#lingering.push({ queue, until: open.createdAt + this.#lingerMs })
      this.#lingerAlarm.set(open.createdAt + this.#lingerMs)
      return undefined
    }
    queue.open = undefined
    return open
  }

  /** Gives back what a batch held, once its fate is known and no broker reads it any more. */
  release(batch: ProducerBatch): void {
    this.used -= batch.countedBytes
    batch.countedBytes = 0
    if (batch.isLent || this.#pool.length >= this.#mostPooled || batch.sizeInBytes > 4 * this.batchSize) return
    batch.reset()
    this.#pool.push(batch)
  }

  /** From now on, and until `relax`, no batch waits for more records. */
  hurry(): void {
    this.#hurries++
  }

  relax(): void {
    this.#hurries--
  }

  stop(): void {
    this.#lingerAlarm.cancel()
  }

  #endLinger(): void {
    const now = this.#clock.monotonic()
    const waiting = this.#lingering.splice(0)
    for (const entry of waiting) {
      if (entry.until > now) {
        this.#lingering.push(entry)
        this.#lingerAlarm.set(entry.until)
      } else if (entry.queue.open && !entry.queue.inFlight) this.list(entry.queue)
    }
  }
}
