import type { Clock } from '../common/clock.js'
import type { MemoryShare } from '../common/memory-shares.js'
import type { CompressionType } from '../record/compression/codec.js'
import { BatchPool } from './batch-pool.js'
import { PartitionQueue } from './partition-queue.js'
import type { ProducerBatch } from './producer-batch.js'
import type { SequenceIdentity } from './producer-identity.js'
import { WaitingQueues } from './waiting-queues.js'

export interface AccumulatorOptions {
  readonly clock: Clock
  readonly compression: CompressionType
  readonly batchSize: number
  readonly lingerMs: number
  readonly bufferMemory: number
  readonly deliveryTimeoutMs: number
  /**
   * The producer whose ids and sequence numbers the batches get. Default: none; batches go without.
   */
  readonly identity?: SequenceIdentity
  /**
   * The most memory that all producers of the process hold together. Default: each has its
   * `bufferMemory`.
   */
  readonly memory?: MemoryShare | undefined
  /** Called when a partition has something to send, at most once for each before it is drained. */
  readonly onReady: () => void
}

/** Called with a batch, and the partition that it belongs to. */
type OnBatch = (queue: PartitionQueue, batch: ProducerBatch) => void

const none: PartitionQueue[] = []

/** So much is taken in before it is counted among that of all producers. */
const uncountedBytes = 64 * 1024

/**
 * The owner of all queues: records gather here until they are drained, batches that fail for the
 * moment are put back, those that are too large are split, and those whose time is over expire. It
 * also counts the memory that batches hold.
 *
 * Size: it owns the queues of all partitions, with the lists and alarms that must agree with them.
 */
export class Accumulator {
  readonly batchSize: number
  readonly bufferMemory: number
  readonly #lingerMs: number
  readonly #deliveryTimeoutMs: number
  readonly #clock: Clock
  readonly #identity: SequenceIdentity | undefined
  readonly #onReady: () => void
  readonly #pool: BatchPool
  readonly #topics = new Map<string, PartitionQueue[]>()
  readonly #waiting: WaitingQueues
  /** The queues that the next drain looks at. */
  #listed = none
  /** The number of reasons not to linger: flushes, and senders that need the memory. */
  #hurries = 0
  #used = 0
  readonly #memory: MemoryShare | undefined
  /** The part that is counted for all producers; updated with each batch. */
  #counted = 0
  /** The available memory: other producers may leave less than `bufferMemory`. */
  #mostUsed: number
  /** Up to this there is room without a closer look. */
  #limit: number

  constructor(options: AccumulatorOptions) {
    this.batchSize = options.batchSize
    this.bufferMemory = options.bufferMemory
    this.#memory = options.memory
    this.#mostUsed = options.bufferMemory
    this.#limit = options.bufferMemory
    this.#lingerMs = options.lingerMs
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs
    this.#clock = options.clock
    this.#identity = options.identity
    this.#onReady = options.onReady
    this.#pool = new BatchPool(options.compression, options.batchSize)
    this.#waiting = new WaitingQueues(options.clock, queue => this.goOn(queue))
  }

  /**
   * The queues of a topic by partition; there are none for partitions that nothing was ever sent
   * to.
   */
  queuesOf(topic: string): readonly (PartitionQueue | undefined)[] {
    return this.#queuesOf(topic)
  }

  /** The queue of a partition; it is made where there is none. */
  queueOf(topic: string, partition: number): PartitionQueue {
    return (this.#queuesOf(topic)[partition] ??= new PartitionQueue(topic, partition, this.#identity))
  }

  *queues(): Iterable<PartitionQueue> {
    for (const queues of this.#topics.values()) for (const queue of queues) if (queue) yield queue
  }

  #queuesOf(topic: string): PartitionQueue[] {
    let queues = this.#topics.get(topic)
    if (!queues) this.#topics.set(topic, (queues = []))
    return queues
  }

  /**
   * True if so many more bytes may be taken in. One record is always taken, so that nothing waits
   * for ever.
   */
  hasRoomFor(bytes: number): boolean {
    if (this.#used + bytes <= this.#limit || this.#used === 0) return true
    if (!this.#memory) return false
    this.#share()
    return this.#used + bytes <= this.#mostUsed
  }

  /** Counts bytes of what is sent beside the batches, until `free`. */
  hold(bytes: number): void {
    this.#used += bytes
  }

  free(bytes: number): void {
    this.#used -= bytes
    if (this.#used === 0 || this.#counted - this.#used >= uncountedBytes) this.#share()
  }

  /**
   * Counts the open batches of a topic to the byte, which may show that there is room after all.
   */
  measure(topic: string): void {
    for (const queue of this.#queuesOf(topic)) if (queue?.open) this.#used += queue.open.countExactly()
    this.#share()
  }

  /** Counts what is used among that of all producers, and looks how much they leave. */
  #share(): void {
    const memory = this.#memory
    if (!memory) return
    memory.take(this.#used - this.#counted)
    this.#counted = this.#used
    this.#mostUsed = Math.min(this.bufferMemory, this.#used + memory.freeBytes)
    this.#limit = Math.min(this.#mostUsed, this.#used + uncountedBytes)
  }

  /** The open batch of a partition; it is begun where there is none. */
  openBatch(queue: PartitionQueue): ProducerBatch {
    const { open } = queue
    if (open) return open
    this.#share()
    const batch = this.#pool.take()
    const now = this.#clock.monotonic()
    queue.begin(batch, now, now + this.#deliveryTimeoutMs)
    return batch
  }

  /**
   * A record was added to the open batch of a partition. Returns how many bytes it is counted with.
   */
  appended(queue: PartitionQueue, open: ProducerBatch): number {
    const added = open.count()
    this.#used += added
    if (queue.isListed || !queue.canSend) return added
    if (this.#lingerMs === 0 || this.#hurries > 0 || queue.hasClosed) this.#list(queue)
    else if (open.recordCount === 1) this.#waiting.add(queue, open.createdAt + this.#lingerMs)
    return added
  }

  /**
   * Closes the open batch of a partition that has no room for so many bytes. Returns whether it had
   * none.
   */
  closeUnlessRoomFor(queue: PartitionQueue, bytes: number): boolean {
    if (!queue.open || queue.open.hasRoomFor(bytes, this.batchSize)) return false
    this.#close(queue)
    return true
  }

  /** Lets nothing more join the batches that are open: they go without lingering. */
  closeAll(): void {
    for (const queue of this.queues()) this.#close(queue)
  }

  #close(queue: PartitionQueue): void {
    queue.closeOpen()
    this.goOn(queue)
  }

  /** True if `drain` has anything to look at. */
  get isReady(): boolean {
    return this.#listed.length > 0
  }

  /** True if anything can be sent; the next drain does not look at partitions where nothing can. */
  hasSendable(): boolean {
    const listed = this.#listed
    this.#listed = listed.filter(queue => queue.canSend)
    for (const queue of listed) if (!queue.canSend) queue.leaveList()
    return this.#listed.length > 0
  }

  /** Puts the next batch of each partition under way that has one due, and hands it to `send`. */
  drain(now: number, send: OnBatch): void {
    const listed = this.#listed
    this.#listed = none
    for (let i = 0; i < listed.length; i++) listed[i].leaveList()
    for (let i = 0; i < listed.length; i++) {
      const queue = listed[i]
      if (!queue.canSend || !this.#isDue(queue, now)) continue
      send(queue, queue.drain())
      // Another one may go beside it, in a request of its own.
      if (queue.hasClosed && queue.hasSequences) this.goOn(queue)
    }
  }

  #isDue(queue: PartitionQueue, now: number): boolean {
    let due = queue.retryAt
    if (!queue.hasClosed && this.#lingerMs > 0 && this.#hurries === 0) due = Math.max(due, queue.open!.createdAt + this.#lingerMs)
    if (due <= now) return true
    this.#waiting.add(queue, due)
    return false
  }

  /**
   * The bytes of a batch that was drained, which the batch is given back when its call has settled.
   * They are made here, and counted as they are.
   */
  lend(queue: PartitionQueue, batch: ProducerBatch): Uint8Array {
    queue.number(batch)
    const bytes = batch.lend()
    this.#used += batch.count()
    this.#share()
    return bytes
  }

  /** Lets a batch wait again, before all that came later, until the partition's `retryAt`. */
  putBack(queue: PartitionQueue, batch: ProducerBatch): void {
    queue.putBack(batch)
    if (queue.retryAt > 0) this.#waiting.add(queue, queue.retryAt)
  }

  /** Puts two halves in the place of a batch that was too large. */
  split(queue: PartitionQueue, batch: ProducerBatch): void {
    const halves = batch.split(() => this.#pool.take())
    for (const half of halves) this.#used += half.count()
    this.#share()
    this.complete(queue, batch)
    queue.putBack(...halves)
  }

  /**
   * Frees what a batch holds whose fate is known, unless it is under way: then its call has to end
   * first.
   */
  complete(queue: PartitionQueue, batch: ProducerBatch): void {
    if (queue.isInFlight(batch)) return
    this.#used -= batch.uncount()
    this.#share()
    this.#pool.give(batch)
  }

  /**
   * Hands over the batches whose time is over by `now`. Those that wait leave their queues; those
   * under way stay there until their call ends.
   */
  expire(now: number, onExpired: OnBatch): void {
    this.#giveUp(batch => batch.deadline <= now && !batch.isAnswered, onExpired)
  }

  /** The earliest time at which a batch expires. */
  get nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY
    for (const queue of this.queues()) for (const batch of queue.unsettled()) if (batch.deadline < next) next = batch.deadline
    return next
  }

  /** Hands over the batches that wait. */
  refuse(onRefused: OnBatch): void {
    this.#giveUp((batch, queue) => !queue.isInFlight(batch), onRefused)
  }

  /** True if batches wait, or are under way. */
  get hasUnsettled(): boolean {
    for (const queue of this.queues()) if (queue.hasUnsettled) return true
    return false
  }

  /** Hands over all batches, as `expire` does, and stops. */
  abort(onAborted: OnBatch): void {
    this.#waiting.stop()
    this.#giveUp(() => true, onAborted)
    this.#pool.close()
  }

  #giveUp(isOver: (batch: ProducerBatch, queue: PartitionQueue) => boolean, onGivenUp: OnBatch): void {
    for (const queue of this.queues()) {
      for (const batch of [...queue.unsettled()]) {
        if (!isOver(batch, queue)) continue
        queue.withdraw(batch)
        onGivenUp(queue, batch)
      }
    }
  }

  /** Ends the waits for another try of those partitions for which that makes sense now. */
  retryNow(isSensible: (queue: PartitionQueue) => boolean): void {
    for (const queue of this.#waiting) {
      if (queue.retryAt === 0 || !isSensible(queue)) continue
      queue.retryNow()
      this.#waiting.end(queue)
    }
  }

  /** From now on, and until `relax`, no batch waits for more records. */
  hurry(): void {
    this.#hurries++
    for (const queue of this.queues()) this.goOn(queue)
  }

  relax(): void {
    this.#hurries--
  }

  /** Lets the next drain look at a partition that has anything that could be sent. */
  goOn(queue: PartitionQueue): void {
    if (queue.canSend) this.#list(queue)
  }

  #list(queue: PartitionQueue): void {
    if (queue.isListed) return
    queue.enterList()
    if (this.#listed.length > 0) this.#listed.push(queue)
    else this.#listed = [queue]
    this.#onReady()
  }
}
