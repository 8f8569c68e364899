import { Backoff } from '../client/retry.js'
import type { TransactionConsumer } from '../client/transactional-offsets.js'
import { onAbort } from '../common/abort.js'
import type { CallMark } from '../common/call-mark.js'
import type { Clock } from '../common/clock.js'
import { type Deferred, deferred, isPromise } from '../common/deferred.js'
import type { Random } from '../common/random.js'
import { Pace, type Turns, turnsOf } from '../common/turns.js'
import { partitionKey } from '../consumer/assigned-partition.js'
import { type BatchCursor, ConsumerBatch } from '../consumer/consumer-batch.js'
import { KafkaError } from '../errors.js'
import type { Producer } from '../producer/producer.js'
import type { Transaction } from '../producer/transaction.js'
import { Outputs } from './outputs.js'
import { endsProducer, isPassing, isRecordError, rootOf } from './pipe-errors.js'
import type { PipeSettings } from './pipe-options.js'
import type { PipedBatch, Transformation } from './transformation.js'

export interface LaneParts {
  readonly settings: PipeSettings
  readonly clock: Clock
  readonly random: Random
  readonly consumer: TransactionConsumer
  readonly transformation: Transformation
  /** Of calls of the user's functions. */
  readonly mark: CallMark
  readonly newProducer: () => Producer
  /** Aborts when the pipe stops: what is in hand is finished. */
  readonly stopping: AbortSignal
  /** Aborts when the pipe no longer waits for what is in hand. */
  readonly givingUp: AbortSignal
  readonly onCommitted: (records: number, outputs: number) => void
  readonly onRetry: (error: unknown, attempts: number, delayMs: number) => void
}

/** A batch on its way through. */
interface Item {
  readonly batch: PipedBatch
  readonly done: Deferred<void>
  /** Walks the batch; undefined where that has to begin anew. */
  cursor: BatchCursor<unknown, unknown> | undefined
  /** The records before it are committed. */
  committed: number
  /** The records before it are in the transaction, or committed. */
  reached: number
  isExhausted: boolean
  /** Another member waits for the partition: the rest of the batch is its. */
  isGivenBack: boolean
}

/** A partition whose output was refused, as far as that is known. */
interface Refusal {
  /** Records before this offset have a transaction each, so that the one is found. */
  readonly alone: number
  /** The record whose output was refused, once it is found. */
  culprit?: { readonly offset: number; readonly error: unknown }
}

/** The record at which the pipe ends, by the batch that it is in. */
interface Fatal {
  readonly item: Item
  readonly error: unknown
}

/**
 * One transactional producer and the batches that go through it, one transaction after the other. A
 * transaction takes what there is, up to the limits, of all partitions of the lane. One that fails
 * is tried again; batches whose records the consumer hands out once more, as it was taken back, are
 * dropped.
 */
export class Lane {
  readonly #parts: LaneParts
  readonly #turns: Turns
  readonly #pace: Pace
  readonly #backoff: Backoff
  readonly #queue: Item[] = []
  /** By partition. */
  readonly #refusals = new Map<string, Refusal>()
  #producer: Producer
  #working: Promise<void> | undefined
  #waitingCount = 0
  #gathered: Deferred<void> | undefined
  #failures = 0
  readonly #fillMarked: (outputs: Outputs, touched: Item[], onCount: (count: number) => void) => Promise<Fatal | undefined>

  constructor(parts: LaneParts) {
    const { clock, random } = parts
    this.#parts = parts
    this.#turns = turnsOf(clock)
    this.#pace = new Pace(this.#turns)
    this.#backoff = new Backoff(clock, random)
    this.#producer = parts.newProducer()
    this.#fillMarked = parts.mark.on(async (outputs: Outputs, touched: Item[], onCount: (count: number) => void) => {
      const fatal = await this.#fill(outputs, touched, onCount)
      return fatal
    })
  }

  /** Ends what an earlier producer of the same name has left open. */
  async start(): Promise<void> {
    const transaction = await this.#producer.begin({ signal: this.#parts.givingUp })
    await transaction.abort()
  }

  /**
   * Takes a batch through. Resolves when it is committed, or when its records come again; rejects
   * with what ends the pipe.
   */
  take(batch: PipedBatch): Promise<void> {
    const { baseOffset } = batch
    const done = deferred()
    this.#queue.push({ batch, done, cursor: undefined, committed: baseOffset, reached: baseOffset, isExhausted: false, isGivenBack: false })
    this.#waitingCount += batch.recordCount
    if (this.#waitingCount >= this.#parts.settings.maxTransactionRecords) this.#gathered?.resolve()
    this.#working ??= this.#work()
    return done.promise
  }

  /** Ends by the time that is given; what is open then is aborted. */
  async close(timeoutMs: number): Promise<void> {
    this.#rejectAll(new KafkaError('CLOSED', 'The pipe is closed'))
    await this.#producer.close({ timeoutMs })
  }

  async #work(): Promise<void> {
    const { stopping, givingUp } = this.#parts
    try {
      await this.#linger()
      while (this.#queue.length > 0) {
        if (stopping.aborted || givingUp.aborted) break
        await this.#transaction()
        if (this.#queue.length > 0 && this.#queue.every(isFresh)) await this.#linger()
      }
    } catch (error) {
      this.#rejectAll(error)
    } finally {
      this.#working = undefined
      if (stopping.aborted || givingUp.aborted) this.#rejectAll(stopping.aborted ? stopping.reason : givingUp.reason)
    }
  }

  /** Waits for more, and at least for all that comes in this moment. */
  async #linger(): Promise<void> {
    await Promise.resolve()
    const { settings, clock, stopping } = this.#parts
    if (settings.lingerMs === 0 || this.#waitingCount >= settings.maxTransactionRecords || stopping.aborted) return
    const gathered = deferred()
    this.#gathered = gathered
    const timer = clock.setTimer(settings.lingerMs, gathered.resolve, { keepAlive: true })
    const unlisten = onAbort(stopping, gathered.resolve)
    try {
      await gathered.promise
    } finally {
      timer.cancel()
      unlisten()
      this.#gathered = undefined
    }
  }

  async #transaction(): Promise<void> {
    const { givingUp, consumer, onCommitted } = this.#parts
    const touched: Item[] = []
    let transaction: Transaction | undefined
    let recordCount = 0
    try {
      transaction = await this.#producer.begin({ signal: givingUp })
      const outputs = new Outputs(transaction)
      const fatal = await this.#fillMarked(outputs, touched, count => {
        recordCount = count
      })
      const offsets = touched.flatMap(item => (item.reached > item.committed ? [endOf(item)] : []))
      const committing = offsets.length > 0 ? transaction.commitOffsets(consumer, offsets, { signal: givingUp }) : undefined
      const results = await Promise.allSettled([outputs.delivered(), committing])
      for (const result of results) if (result.status === 'rejected') throw result.reason
      await transaction.commit({ signal: givingUp })
      this.#failures = 0
      this.#committed(touched)
      if (recordCount > 0) onCommitted(recordCount, outputs.count)
      if (fatal) this.#end(fatal.item, fatal.error)
    } catch (error) {
      await transaction?.abort({ signal: givingUp }).catch(() => {})
      await this.#failed(rootOf(error), touched, recordCount)
    }
  }

  /**
   * Transforms records until the transaction is as large, or has taken as long, as it may, or there
   * are no more.
   */
  async #fill(outputs: Outputs, touched: Item[], onCount: (count: number) => void): Promise<Fatal | undefined> {
    const { settings, clock, stopping, transformation } = this.#parts
    const { maxTransactionRecords, maxTransactionMs } = settings
    const endAt = clock.monotonic() + maxTransactionMs
    let count = 0
    const isFull = () => count > 0 && (count >= maxTransactionRecords || stopping.aborted || clock.monotonic() >= endAt)
    for (let i = 0; i < this.#queue.length && !isFull(); i++) {
      const item = this.#queue[i]
      touched.push(item)
      const refusal = this.#refusals.get(nameOf(item))
      item.cursor ??= item.batch.cursor()
      while (!isFull()) {
        if (stopping.aborted) return undefined
        item.isGivenBack = ConsumerBatch.isWantedElsewhere(item.batch)
        if (item.isGivenBack) break
        if (!item.cursor.next()) {
          item.isExhausted = true
          item.reached = item.batch.endOffset
          break
        }
        const { offset } = item.cursor
        if (offset < item.committed) continue
        const isAlone = refusal !== undefined && offset < refusal.alone
        // The next transaction begins with it.
        if (isAlone && count > 0) {
          item.cursor = undefined
          return undefined
        }
        const culprit = refusal?.culprit?.offset === offset ? refusal.culprit : undefined
        try {
          const made = transformation.outputs(item.batch, item.cursor, culprit)
          const room = outputs.add(isPromise(made) ? await made : made)
          if (room) await room
        } catch (error) {
          // It comes again.
          item.cursor = undefined
          return stopping.aborted || outputs.hasFailed ? undefined : { item, error }
        }
        item.reached = offset + 1
        onCount(++count)
        if (isAlone) return undefined
        if (this.#pace.isDue() && this.#pace.isOver()) await this.#turns.yield()
      }
    }
    return undefined
  }

  #committed(touched: readonly Item[]): void {
    for (const item of touched) {
      item.committed = item.reached
      const refusal = this.#refusals.get(nameOf(item))
      if (refusal && item.committed >= refusal.alone) this.#refusals.delete(nameOf(item))
      if (item.isGivenBack && !item.isExhausted) ConsumerBatch.giveBack(item.batch)
      if (item.isExhausted || item.isGivenBack) this.#drop(item)
    }
  }

  /** A transaction was aborted, or it is not known how it ended. */
  async #failed(error: unknown, touched: readonly Item[], recordCount: number): Promise<void> {
    const { newProducer, stopping, givingUp, onRetry } = this.#parts
    if (givingUp.aborted) throw givingUp.reason
    if (isRecordError(error)) {
      if (this.#isFatal(error, touched, recordCount)) return
    } else if (!isPassing(error)) throw error
    if (endsProducer(error)) {
      await this.#producer.close({ timeoutMs: 0 }).catch(() => {})
      this.#producer = newProducer()
      // Consumers wait for the end of what is open.
      await this.start().catch(() => {})
    }
    if (!isRecordError(error)) {
      const attempts = ++this.#failures
      const delayMs = Math.ceil(this.#backoff.delayMs(attempts))
      onRetry(error, attempts, delayMs)
      await this.#backoff.wait(attempts, stopping).catch(() => {})
    }
    for (const item of touched) {
      item.cursor = undefined
      item.reached = item.committed
      item.isExhausted = false
    }
    for (const item of [...this.#queue]) if (!ConsumerBatch.isCurrent(item.batch)) this.#drop(item)
  }

  /** An output was refused: finds out of which record. Returns whether the pipe ends with it. */
  #isFatal(error: unknown, touched: readonly Item[], recordCount: number): boolean {
    for (const item of touched) {
      const { committed: offset, reached } = item
      if (reached === offset) continue
      const name = nameOf(item)
      const known = this.#refusals.get(name)
      const alone = Math.max(reached, known?.alone ?? 0)
      if (recordCount > 1) this.#refusals.set(name, { alone })
      else {
        const culprit = reached - 1
        // The output that was made of it instead is refused as well.
        if (known?.culprit?.offset === culprit) {
          this.#end(item, error)
          return true
        }
        this.#refusals.set(name, { alone, culprit: { offset: culprit, error } })
      }
    }
    return false
  }

  #drop(item: Item): void {
    this.#remove(item)
    item.done.resolve()
  }

  #end(item: Item, error: unknown): void {
    this.#remove(item)
    item.done.reject(error)
  }

  #remove(item: Item): void {
    const index = this.#queue.indexOf(item)
    if (index < 0) return
    this.#queue.splice(index, 1)
    this.#waitingCount -= item.batch.recordCount
  }

  #rejectAll(error: unknown): void {
    for (const item of [...this.#queue]) this.#end(item, error)
  }
}

function isFresh({ batch, committed }: Item): boolean {
  return committed === batch.baseOffset
}

/** The offset up to which a batch is done. */
function endOf({ batch, reached, isExhausted }: Item) {
  return isExhausted ? batch : ConsumerBatch.upTo(batch, reached)
}

function nameOf({ batch: { topic, partition } }: Item): string {
  return partitionKey(topic, partition)
}
