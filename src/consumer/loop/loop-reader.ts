import { onAbort } from '../../common/abort.js'
import { type Deferred, deferred, isPromise, type MaybePromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import type { ReaderTurn } from '../fetch/reader-turn.js'
import type { Reader, ReaderOwner } from './reader.js'

const done = Promise.resolve()

export interface LoopOptions {
  /** Ends the loop: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * The iterator that `records()` and `batches()` return. `for await` calls it. It names its own
 * methods, since `AsyncIterableIterator` has other type arguments before TypeScript 5.6.
 */
export interface RecordIterator<T> {
  /**
   * The next item, once there is one; `done` when the loop has ended, or the consumer is closed.
   * Several calls are answered in order.
   */
  next(): Promise<IteratorResult<T, undefined>>
  /**
   * Ends the loop: calls of `next` that wait get `done`. The item in hand does not count as
   * handled.
   */
  return(): Promise<IteratorResult<T, undefined>>
  [Symbol.asyncIterator](): RecordIterator<T>
}

/**
 * The iterator behind `for await`. Written by hand, without an async generator: as long as records
 * are at hand, `next` decodes one and returns a promise that is resolved already. When there are
 * none, the fetch that brings some resolves it directly.
 *
 * Asking for the next item is what says that the one before has been handled. Leaving the loop does
 * not: whether by `break` or by a throw looks the same from here, and what was thrown at has not
 * been handled.
 */
export abstract class LoopReader<T> implements RecordIterator<T>, Reader {
  protected readonly owner: ReaderOwner
  readonly #turn: ReaderTurn
  readonly #signal: AbortSignal | undefined
  #unlisten: (() => void) | undefined
  /** Records that are being read. */
  #partition: AssignedPartition | undefined
  #isStarted = false
  #isEnded = false
  #isInHand = false
  /** Something has to be looked at before the next item is handed out. */
  #isInterrupted = true
  #handouts = 0
  #failure: { readonly error: unknown } | undefined
  /** Calls of `next` that have not been answered, in order. */
  readonly #calls: Deferred<IteratorResult<T, undefined>>[] = []
  /** Something else has to be done before the first of them can be answered. */
  #isBusy = false
  #finishing: Deferred<void> | undefined

  constructor(owner: ReaderOwner, options: LoopOptions = {}) {
    this.owner = owner
    this.#turn = owner.turn
    this.#signal = options.signal
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const partition = this.#partition
    if (partition === undefined || this.#isInterrupted || this.#isBusy || this.#calls.length > 0 || this.#turn.isDue())
      return this.nextSlowly()
    partition.handledAll()
    const fetched = partition.reading as FetchedRecords
    let item: T
    try {
      if (!fetched.next()) return this.nextSlowly()
      item = this.handOut(partition, fetched)
    } catch (error) {
      this.#isInHand = false
      const call = this.#newCall()
      this.#goOnAfter(() => this.#troubled(partition, fetched, error))
      return call
    }
    this.#handouts++
    return Promise.resolve({ done: false, value: item })
  }

  /** Called by `break` and by a throw in the loop's body. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.#end()
    return { done: true, value: undefined }
  }

  wake(): void {
    if (!this.#isBusy) this.#answer()
  }

  interrupt(): void {
    this.#isInterrupted = true
  }

  fail(error: unknown): void {
    if (this.#isEnded) return
    this.#isInterrupted = true
    this.#failure ??= { error }
    // The rest is not awaited.
    if (this.#calls.length > 0) this.#endWith(this.#failure.error)
  }

  async close(): Promise<void> {
    await this.#end()
  }

  unsubscribed(): void {
    if (this.#calls.length > 0) void this.#end()
  }

  readonly isAtWork = false

  finish(partitions: ReadonlySet<AssignedPartition>): Promise<void> | undefined {
    if (!this.#isInHand || this.#partition === undefined || !partitions.has(this.#partition)) return undefined
    this.#finishing ??= deferred()
    return this.#finishing.promise
  }

  acknowledge(): void {
    if (this.#isInHand && this.#partition !== undefined) this.#partition.handledAll()
  }

  inHand(): Iterable<number> {
    return [this.#isInHand ? this.#handouts : -1]
  }

  /**
   * The item that starts at the current record. Moves the partition's position past it. Throws what
   * decoding throws.
   */
  protected abstract handOut(partition: AssignedPartition, fetched: FetchedRecords): T

  /**
   * Called before the next item is looked for, while the one before is in hand. What it throws ends
   * the loop and leaves that one unhandled.
   */
  protected finishItem(): MaybePromise<void> {}

  /** Called at the end of the loop, which leaves the item in hand unhandled. */
  protected forgetItem(): void {}

  protected nextSlowly(): Promise<IteratorResult<T, undefined>> {
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined })
    const call = this.#newCall()
    if (this.#calls.length === 1 && !this.#isBusy) this.#goOn()
    return call
  }

  #newCall(): Promise<IteratorResult<T, undefined>> {
    const call = deferred<IteratorResult<T, undefined>>()
    this.#calls.push(call)
    return call.promise
  }

  /** The user is done with the item in hand and asks for the next one. */
  #goOn(): void {
    if (this.#calls.length === 0) return
    this.#goOnAfter(() => {
      if (!this.#isStarted) this.#start()
      const finished = this.finishItem()
      if (isPromise(finished)) return finished.then(() => this.#release())
      this.#release()
      return this.owner.yieldWhenOver()
    })
  }

  /** Answers calls once something else is done. */
  #goOnAfter(act: () => MaybePromise<void>): void {
    try {
      const done = act()
      if (!isPromise(done)) return this.#answer()
      this.#isBusy = true
      const goOn = () => {
        this.#isBusy = false
        this.#answer()
      }
      done.then(goOn, error => {
        this.#isBusy = false
        this.#endWith(error)
      })
    } catch (error) {
      this.#endWith(error)
    }
  }

  /** Answers the first call, if there is something to answer it with. */
  #answer(): void {
    if (this.#calls.length === 0 || this.#isEnded) return
    if (this.#failure !== undefined) return this.#endWith(this.#failure.error)
    let found: IteratorYieldResult<T> | Promise<void> | undefined
    try {
      found = this.#find()
    } catch (error) {
      return this.#endWith(error)
    }
    if (found === undefined) return this.owner.isWaiting(this)
    if (found instanceof Promise) return this.#goOnAfter(() => found)
    this.#calls.shift()?.resolve(found)
    // A caller that has asked for more already has handled this one as soon as it gets it.
    if (this.#calls.length === 0) return
    this.#isBusy = true
    void done.then(() => {
      this.#isBusy = false
      this.#goOn()
    })
  }

  #start(): void {
    this.#signal?.throwIfAborted()
    this.owner.begin(this)
    this.#isStarted = true
    const signal = this.#signal
    if (signal) this.#unlisten = onAbort(signal, () => this.fail(signal.reason))
  }

  /** The user is done with what he had in hand. */
  #release(): void {
    if (this.#isInHand) this.acknowledge()
    this.#isInHand = false
    this.#finishing?.resolve()
    this.#finishing = undefined
  }

  #find(): IteratorYieldResult<T> | Promise<void> | undefined {
    if (this.#isInterrupted) this.#putBack()
    const { assignment } = this.owner
    let hasMoved = false
    try {
      for (;;) {
        const partition = this.#partition ?? assignment.nextReady()
        if (partition === undefined) return undefined
        this.#partition = partition
        if (partition.reading === undefined) hasMoved = true
        const fetched = partition.take() as FetchedRecords
        try {
          if (fetched.next()) {
            const value = this.handOut(partition, fetched)
            this.#isInHand = true
            this.#handouts++
            return { done: false, value }
          }
        } catch (error) {
          const pending = this.#troubled(partition, fetched, error)
          if (pending !== undefined) return pending
          continue
        }
        partition.finishReading()
        partition.handledAll()
        fetched.release()
        hasMoved = true
        this.#partition = undefined
        if (partition.isReady) assignment.ready(partition)
      }
    } finally {
      if (hasMoved) this.owner.moveOn()
    }
  }

  /** Handles a current record that cannot be handed out. Throws when reading must stop there. */
  #troubled(partition: AssignedPartition, fetched: FetchedRecords, error: unknown): Promise<void> | undefined {
    const { jumps } = partition
    const { offset } = fetched.cursor
    const stop = (reason: unknown, at: number = offset) => {
      if (jumps === partition.jumps) partition.jumpTo(at)
      this.#partition = undefined
      this.owner.moveOn()
      throw reason
    }
    const goOn = () => {
      partition.handedOut(offset + 1, fetched.leaderEpoch, jumps)
      partition.handledUpTo(offset + 1, jumps)
    }
    if (isDamage(error)) {
      const where = { topic: partition.topic, partition: partition.partition, cause: error }
      stop(new KafkaError(error.code, error.message, where), partition.position)
    }
    try {
      const pending = this.owner.reject(partition, fetched, error)
      if (pending instanceof Promise) return pending.then(goOn, reason => stop(reason))
    } catch (reason) {
      stop(reason)
    }
    goOn()
    return undefined
  }

  /** Ends the loop with an error, which the first call gets. */
  #endWith(error: unknown): void {
    const first = this.#calls.shift()
    const reject = () => first?.reject(error)
    this.#end().then(reject, reject)
  }

  #putBack(): void {
    this.#isInterrupted = false
    const partition = this.#partition
    this.#partition = undefined
    if (partition?.isReady) this.owner.assignment.ready(partition)
  }

  async #end(): Promise<void> {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#isInterrupted = true
    this.#isInHand = false
    this.forgetItem()
    this.#finishing?.resolve()
    this.#unlisten?.()
    this.#putBack()
    for (const call of this.#calls.splice(0)) call.resolve({ done: true, value: undefined })
    if (this.#isStarted) await this.owner.end(this)
  }
}

/** Bytes that are no batch, as opposed to a record that is not what the user expects. */
function isDamage(error: unknown): error is KafkaError {
  return error instanceof KafkaError && (error.code === 'CORRUPT_MESSAGE' || error.code === 'INVALID_RECORD')
}
