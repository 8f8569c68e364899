import { onAbort } from '../../common/abort.js'
import { CallMark } from '../../common/call-mark.js'
import { type Deferred, deferred } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import type { Reader, ReaderOwner } from '../loop/reader.js'

/**
 * The engine of `run`, for either order: takes records as handlers become free, and ends when it is
 * closed, its signal aborts, or something fails. It ends only once no handler is at work; then all
 * that was handled is committed, and the rest comes again.
 *
 * Size: what is taken, in hand and done must be counted in one place.
 */
export abstract class Runner implements Reader {
  protected readonly owner: ReaderOwner
  readonly concurrency: number
  readonly #signal: AbortSignal | undefined
  readonly #handlers: AbortController
  #unlisten: (() => void) | undefined
  readonly #done = deferred()
  /** The items that handlers have in hand, by a number of its own. */
  readonly #inHand = new Map<number, AssignedPartition>()
  readonly #finishing: { readonly partitions: ReadonlySet<AssignedPartition>; readonly finished: Deferred<void> }[] = []
  /** Calls handlers and awaits them. */
  protected readonly mark: CallMark
  /** Handlers that are being called right now and have not returned. */
  protected calls = 0
  #handouts = 0
  #failure: { readonly error: unknown } | undefined
  /**
   * Leaves the unhandled items to the next reader: after a failure, or when closing has taken too
   * long.
   */
  #hasGivenUp = false
  #isClosing = false
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
    this.mark = new CallMark(owner.consumer)
  }

  async run(): Promise<void> {
    this.#signal?.throwIfAborted()
    this.owner.begin(this)
    const signal = this.#signal
    if (signal) this.#unlisten = onAbort(signal, () => this.fail(signal.reason))
    this.mark.begin()
    this.wake()
    await this.#done.promise
  }

  wake(): void {
    this.#isPumpWanted = true
    if (!this.#isPumping) void this.#pump()
  }

  interrupt(): void {}

  fail(error: unknown): void {
    // A record that closing cut short comes again, which is no failure.
    if (this.#isClosing && isCutShort(error, this.#handlers.signal.reason)) return this.#stop()
    this.#failure ??= { error }
    this.#hasGivenUp = true
    this.#handlers.abort(error)
    this.#stop()
  }

  async close(givingUp: AbortSignal): Promise<void> {
    this.#isClosing = true
    this.#handlers.abort(new KafkaError('CLOSED', 'The consumer is closing'))
    const giveUp = () => {
      this.#hasGivenUp = true
      this.#inHand.clear()
      this.#stop()
    }
    const unlisten = givingUp.aborted ? giveUp() : onAbort(givingUp, giveUp)
    this.#stop()
    try {
      await this.#done.promise.catch(() => {})
    } finally {
      unlisten?.()
    }
  }

  unsubscribed(): void {
    if (!this.isAtWork) this.#stop()
  }

  get isAtWork(): boolean {
    return this.#inHand.size > 0 || this.calls > 0
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

  protected get hasGivenUp(): boolean {
    return this.#hasGivenUp
  }

  /** The number of handlers at work. */
  protected get activeCount(): number {
    return this.#inHand.size
  }

  /**
   * Hands out at once what has to be handled even by a runner that is stopping; called whenever a
   * handler becomes free.
   */
  protected handOutMore(): void {}

  /** True if records of this partition have to be handled yet, even if it is given up. */
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
    else if (!this.isAtWork) this.owner.isWaiting(this)
  }

  /** True if records of this partition may still be handed to a handler. */
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
    this.handOutMore()
    if (this.isAtWork || this.#isEnded || this.#isOwing(this.owner.assignment)) return
    this.#isEnded = true
    this.mark.end()
    this.#unlisten?.()
    for (const { finished } of this.#finishing.splice(0)) finished.resolve()
    for (const partition of this.owner.assignment) if (partition.handled >= 0) partition.rewind()
    const { error } = this.#failure ?? {}
    const failed = this.#failure !== undefined
    const settle = () => (failed ? this.#done.reject(error) : this.#done.resolve())
    this.owner.end(this).then(settle, settle)
  }
}

/**
 * True if a handler ended because its signal aborted, or because it asked something of what is
 * closing.
 */
function isCutShort(error: unknown, reason: unknown): boolean {
  return error === reason || (error as Error | undefined)?.cause === reason || (error instanceof KafkaError && error.code === 'CLOSED')
}
