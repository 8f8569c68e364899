import { onAbort } from '../common/abort.js'
import { type Deferred, deferred } from '../common/deferred.js'
import { KafkaError } from '../errors.js'
import type { AssignedPartition } from './assigned-partition.js'
import type { FetchedRecords } from './fetched-records.js'
import type { Reader, ReaderOwner } from './reader.js'

/**
 * What is behind `run`, whatever it keeps in order: takes records as handlers become free, and ends when it is closed, its signal aborts,
 * or something fails. It ends only once no handler is at work; then all that was handled is committed, and the rest comes again.
 */
export abstract class Runner implements Reader {
  protected readonly owner: ReaderOwner
  readonly concurrency: number
  readonly #signal: AbortSignal | undefined
  readonly #handlers: AbortController
  #unlisten: (() => void) | undefined
  readonly #done = deferred()
  /** What the handlers have in hand, by a number of its own. */
  readonly #inHand = new Map<number, AssignedPartition>()
  readonly #finishing: { readonly partitions: ReadonlySet<AssignedPartition>; readonly finished: Deferred<void> }[] = []
  /** Handlers that are being called right now and have not returned. */
  protected calls = 0
  #handouts = 0
  #failure: { readonly error: unknown } | undefined
  #isStopping = false
  #isEnded = false
  #isPumping = false
  #isPumpWanted = false

  /** `handlers` aborts the signal that handlers are given. */
  constructor(owner: ReaderOwner, concurrency: number, handlers: AbortController, signal: AbortSignal | undefined) {
    this.owner = owner
    this.concurrency = concurrency
    this.#handlers = handlers
    this.#signal = signal
  }

  async run(): Promise<void> {
    this.#signal?.throwIfAborted()
    this.owner.begin(this)
    const signal = this.#signal
    if (signal) this.#unlisten = onAbort(signal, () => this.fail(signal.reason))
    this.wake()
    await this.#done.promise
  }

  wake(): void {
    this.#isPumpWanted = true
    if (!this.#isPumping) void this.#pump()
  }

  interrupt(): void {}

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#handlers.abort(error)
    this.#stop()
  }

  close(timeoutMs: number): Promise<void> {
    const giveUp = () => {
      this.#handlers.abort(new KafkaError('CLOSED', 'The consumer is closed'))
      this.#inHand.clear()
      this.#stop()
    }
    const timer = this.owner.clock.setTimer(timeoutMs, giveUp, { givesUp: true })
    this.#stop()
    return this.#done.promise.catch(() => {}).finally(() => timer.cancel())
  }

  finish(partitions: ReadonlySet<AssignedPartition>): Promise<void> | undefined {
    if (!this.#holds(partitions)) return undefined
    const finished = deferred()
    this.#finishing.push({ partitions, finished })
    return finished.promise
  }

  acknowledge(): void {}

  inHand(): Iterable<number> {
    return this.#inHand.keys()
  }

  /** Puts to work what can be; called whenever there may be something. */
  protected abstract dispatch(): void

  protected get isStopping(): boolean {
    return this.#isStopping
  }

  /** Whether what is still to be handled is left to whoever reads on: after a failure, or when closing has taken too long. */
  protected get hasGivenUp(): boolean {
    return this.#handlers.signal.aborted
  }

  /** How many handlers are at work. */
  protected get activeCount(): number {
    return this.#inHand.size
  }

  /** Hands out at once what has to be handled even by a runner that is stopping; called whenever a handler becomes free. */
  protected handOutMore(): void {}

  /** Whether records of this partition have to be handled yet, even if it is given up. */
  protected owes(_partition: AssignedPartition): boolean {
    return false
  }

  /** A handler starts. Returns a number for `handedBack`. */
  protected handedOut(partition: AssignedPartition): number {
    const number = this.#handouts++
    this.#inHand.set(number, partition)
    return number
  }

  /** A handler has ended, well or not. */
  protected handedBack(number: number): void {
    this.#inHand.delete(number)
    this.handOutMore()
    for (const entry of [...this.#finishing]) {
      if (this.#holds(entry.partitions)) continue
      this.#finishing.splice(this.#finishing.indexOf(entry), 1)
      entry.finished.resolve()
    }
    if (this.#isStopping) this.#stop()
  }

  /** Whether records of this partition may still be handed to a handler. */
  protected mayHandOut(partition: AssignedPartition): boolean {
    return !this.#isStopping && partition.isFlowing && this.owner.assignment.has(partition)
  }

  /** All of what was fetched has been handed out. */
  protected exhausted(partition: AssignedPartition, fetched: FetchedRecords): void {
    partition.finishReading()
    fetched.release()
    if (partition.isReady) this.owner.assignment.ready(partition)
    this.owner.moveOn()
  }

  #holds(partitions: ReadonlySet<AssignedPartition>): boolean {
    for (const partition of this.#inHand.values()) if (partitions.has(partition)) return true
    return this.#isOwing(partitions)
  }

  #isOwing(partitions: Iterable<AssignedPartition>): boolean {
    if (this.hasGivenUp) return false
    for (const partition of partitions) if (this.owes(partition)) return true
    return false
  }

  async #pump(): Promise<void> {
    this.#isPumping = true
    try {
      while (this.#isPumpWanted && !this.#isStopping) {
        const turn = this.owner.turn.isDue() ? this.owner.yieldWhenOver() : undefined
        if (turn !== undefined) await turn
        this.#isPumpWanted = false
        this.dispatch()
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.#isPumping = false
    }
  }

  #stop(): void {
    this.#isStopping = true
    if (this.#inHand.size > 0 || this.calls > 0 || this.#isEnded || this.#isOwing(this.owner.assignment)) return
    this.#isEnded = true
    this.#unlisten?.()
    for (const { finished } of this.#finishing.splice(0)) finished.resolve()
    for (const partition of this.owner.assignment) if (partition.handled >= 0) partition.rewind()
    const { error } = this.#failure ?? {}
    const failed = this.#failure !== undefined
    void this.owner.end(this).then(() => (failed ? this.#done.reject(error) : this.#done.resolve()))
  }
}
