import { onAbort } from '../common/abort.js'
import type { Clock, Timer } from '../common/clock.js'
import type { MaybePromise } from '../common/deferred.js'
import { type Turns, type TurnTaker, turnsOf } from '../common/turns.js'
import { type AppendListener, listenTo, type Partition, stopListening } from './partition.js'

/** After so many bytes it is time to look whether the slice of who appends them is over. */
const bytesPerLook = 64 * 1024

/**
 * The end of a wait: enough has arrived (or a partition is gone, which is to be told), or the time
 * was over.
 */
export type WaitOutcome = 'arrived' | 'timedOut'

/**
 * Fetches that wait for data. A producer that sends one record after the other, and waits for each,
 * would have every single one fetched on its own. So a fetch that could be answered waits in the
 * queue for its turn: it is answered when nobody else has anything to do, or when the slice of the
 * producer is over. One timer, for the next deadline, serves all.
 */
export class DelayedFetches {
  readonly #clock: Clock
  readonly #waiting = new Set<DelayedFetch>()
  /**
   * The signals with a listener: one per signal, however often it is passed; a consumer passes the
   * same one with every fetch.
   */
  readonly #signals = new WeakSet<AbortSignal>()
  readonly #turns: Turns
  #bytesUntilLook = bytesPerLook
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
    this.#turns = turnsOf(clock)
  }

  get size(): number {
    return this.#waiting.size
  }

  /**
   * Waits until `missingBytes` have been appended to the partitions, one of them is gone, or it is
   * `deadline`, and resolves with what `goOn` then gives; rejects when the signal aborts. Where
   * `isStableOnly`, bytes count once the transactions before them are decided.
   */
  wait<T>(
    partitions: readonly Partition[],
    isStableOnly: boolean,
    missingBytes: number,
    deadline: number,
    signal: AbortSignal | undefined,
    goOn: (outcome: WaitOutcome) => MaybePromise<T>
  ): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: WaitOutcome) => {
        try {
          resolve(goOn(outcome))
        } catch (error) {
          reject(error)
        }
      }
      const fetch = new DelayedFetch(this, partitions, isStableOnly, missingBytes, deadline, signal, settle, reject)
      this.#waiting.add(fetch)
      for (const partition of partitions) listenTo(partition, fetch)
      if (signal) this.#listenTo(signal)
      if (deadline < this.#timerAt) this.#setTimer(deadline)
    })
  }

  /** A fetch has what it waits for: it is answered when it is its turn. */
  arrived(fetch: DelayedFetch): void {
    this.#bytesUntilLook = bytesPerLook
    this.#turns.add(fetch)
  }

  /**
   * More came for one that waits for its turn: whoever produces without waiting for its own shall
   * not hold it up for ever.
   */
  grown(bytes: number): void {
    this.#bytesUntilLook -= bytes
    if (this.#bytesUntilLook > 0) return
    this.#bytesUntilLook = bytesPerLook
    this.#turns.isOver()
  }

  /** Lets all that waits end with `reason`. */
  close(reason: unknown): void {
    this.#timer?.cancel()
    this.#timerAt = Number.POSITIVE_INFINITY
    for (const fetch of this.#waiting) if (this.leave(fetch)) fetch.reject(reason)
  }

  /** Returns whether it was waiting. */
  leave(fetch: DelayedFetch): boolean {
    if (!this.#waiting.delete(fetch)) return false
    const { partitions } = fetch
    for (let i = 0; i < partitions.length; i++) stopListening(partitions[i], fetch)
    return true
  }

  #listenTo(signal: AbortSignal): void {
    if (this.#signals.has(signal)) return
    this.#signals.add(signal)
    onAbort(signal, () => {
      for (const fetch of this.#waiting) if (fetch.signal === signal && this.leave(fetch)) fetch.reject(signal.reason)
    })
  }

  #setTimer(deadline: number): void {
    this.#timer?.cancel()
    this.#timerAt = deadline
    // A process whose consumer waits must not exit.
    this.#timer = this.#clock.setTimer(Math.max(0, deadline - this.#clock.monotonic()), () => this.#expire(), {
      keepAlive: true,
      givesUp: true
    })
  }

  #expire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const fetch of this.#waiting) {
      if (fetch.deadline > now) next = Math.min(next, fetch.deadline)
      else if (this.leave(fetch)) fetch.settle('timedOut')
    }
    if (next !== Number.POSITIVE_INFINITY) this.#setTimer(next)
  }
}

class DelayedFetch implements AppendListener, TurnTaker {
  readonly partitions: readonly Partition[]
  readonly deadline: number
  readonly signal: AbortSignal | undefined
  readonly settle: (outcome: WaitOutcome) => void
  readonly reject: (reason: unknown) => void
  readonly #owner: DelayedFetches
  readonly #isStableOnly: boolean
  #missingBytes: number

  constructor(
    owner: DelayedFetches,
    partitions: readonly Partition[],
    isStableOnly: boolean,
    missingBytes: number,
    deadline: number,
    signal: AbortSignal | undefined,
    settle: (outcome: WaitOutcome) => void,
    reject: (reason: unknown) => void
  ) {
    this.#owner = owner
    this.partitions = partitions
    this.#isStableOnly = isStableOnly
    this.#missingBytes = missingBytes
    this.deadline = deadline
    this.signal = signal
    this.settle = settle
    this.reject = reject
  }

  appended(bytes: number, stableBytes: number): void {
    const before = this.#missingBytes
    this.#missingBytes -= this.#isStableOnly ? stableBytes : bytes
    if (before <= 0) this.#owner.grown(bytes)
    else if (this.#missingBytes <= 0) this.#owner.arrived(this)
  }

  ended(): void {
    this.appended(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
  }

  resume(): void {
    if (this.#owner.leave(this)) this.settle('arrived')
  }
}
