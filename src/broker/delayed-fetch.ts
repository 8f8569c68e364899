import { onAbort } from '../common/abort.js'
import type { Clock, Timer } from '../common/clock.js'
import type { MaybePromise } from '../common/deferred.js'
import { afterPromises } from '../common/host.js'
import { type Turn, turnOf } from '../common/turn.js'
import type { Partition } from './partition.js'

/** What a partition calls when something happened to it. */
export interface AppendListener {
  appended(bytes: number): void
  ended(): void
}

/** How a wait ended: enough has arrived (or a partition is gone, which is to be told), or the time was over. */
export type WaitOutcome = 'arrived' | 'timedOut'

const done = Promise.resolve()

/** So much, beyond what a fetch asks for, is answered whatever else there is to do. */
const plentyBytes = 16 * 1024

/**
 * Fetches that wait for data. Who sends one record after the other, and waits for each, would have every single one fetched on its own; so a fetch
 * that could be answered is, as soon as nobody has anything else to do, or else as soon as so many bytes have come that it is worth while. Of
 * many they are answered one by one, so that a hundred do not work through what came before anybody looks at the time. One timer, for the next
 * deadline, serves all.
 */
export class DelayedFetches {
  readonly #clock: Clock
  readonly #waiting = new Set<DelayedFetch>()
  /** Those that are listened to: one listener per signal, however often it is passed; a consumer passes the same one with every fetch. */
  readonly #signals = new WeakSet<AbortSignal>()
  /** Those that have what they wait for, until everybody is at rest or one of them has plenty. */
  #due: DelayedFetch[] = []
  /** Those of them that are being answered; whoever comes to have something meanwhile waits anew. */
  readonly #line: DelayedFetch[] = []
  readonly #turn: Turn
  readonly #answerDue = () => {
    const isIdle = this.#line.length === 0
    this.#line.push(...this.#due)
    this.#due = []
    if (isIdle) this.#answerNext()
  }
  readonly #answerNext = () => {
    const fetch = this.#line.shift()
    if (fetch && this.#leave(fetch)) fetch.settle('arrived')
    if (this.#line.length > 0) (this.#turn.breath() ?? done).then(this.#answerNext)
  }
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
    this.#turn = turnOf(clock)
  }

  get size(): number {
    return this.#waiting.size
  }

  /**
   * Waits until `missingBytes` have been appended to the partitions, one of them is gone, or it is `deadline`, and resolves with what `goOn` then
   * gives; rejects when the signal aborts.
   */
  wait<T>(
    partitions: readonly Partition[],
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
      const fetch = new DelayedFetch(this, partitions, missingBytes, deadline, signal, settle, reject)
      this.#waiting.add(fetch)
      for (const partition of partitions) partition.listen(fetch)
      if (signal) this.#listenTo(signal)
      if (deadline < this.#timerAt) this.#setTimer(deadline)
    })
  }

  /** Answers a fetch, which has what it waits for, once everybody else is at rest. */
  wake(fetch: DelayedFetch): void {
    if (this.#due.push(fetch) === 1) afterPromises(this.#answerDue)
  }

  /** Answers those that are due once the code that is running now has run to its end. */
  hurry(): void {
    done.then(this.#answerDue)
  }

  /** Lets all that waits end with `reason`. */
  close(reason: unknown): void {
    this.#timer?.cancel()
    this.#timerAt = Number.POSITIVE_INFINITY
    for (const fetch of this.#waiting) if (this.#leave(fetch)) fetch.reject(reason)
  }

  /** Returns whether it was waiting. */
  #leave(fetch: DelayedFetch): boolean {
    if (!this.#waiting.delete(fetch)) return false
    const { partitions } = fetch
    for (let i = 0; i < partitions.length; i++) partitions[i].unlisten(fetch)
    return true
  }

  #listenTo(signal: AbortSignal): void {
    if (this.#signals.has(signal)) return
    this.#signals.add(signal)
    onAbort(signal, () => {
      for (const fetch of this.#waiting) if (fetch.signal === signal && this.#leave(fetch)) fetch.reject(signal.reason)
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
      else if (this.#leave(fetch)) fetch.settle('timedOut')
    }
    if (next !== Number.POSITIVE_INFINITY) this.#setTimer(next)
  }
}

class DelayedFetch implements AppendListener {
  readonly partitions: readonly Partition[]
  readonly deadline: number
  readonly signal: AbortSignal | undefined
  readonly settle: (outcome: WaitOutcome) => void
  readonly reject: (reason: unknown) => void
  readonly #owner: DelayedFetches
  #missingBytes: number

  constructor(
    owner: DelayedFetches,
    partitions: readonly Partition[],
    missingBytes: number,
    deadline: number,
    signal: AbortSignal | undefined,
    settle: (outcome: WaitOutcome) => void,
    reject: (reason: unknown) => void
  ) {
    this.#owner = owner
    this.partitions = partitions
    this.#missingBytes = missingBytes
    this.deadline = deadline
    this.signal = signal
    this.settle = settle
    this.reject = reject
  }

  appended(bytes: number): void {
    const before = this.#missingBytes
    this.#missingBytes -= bytes
    if (before > 0 && this.#missingBytes <= 0) this.#owner.wake(this)
    if (before > -plentyBytes && this.#missingBytes <= -plentyBytes) this.#owner.hurry()
  }

  ended(): void {
    this.appended(Number.POSITIVE_INFINITY)
  }
}
