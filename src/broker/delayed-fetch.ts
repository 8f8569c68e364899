import type { Clock, Timer } from '../common/clock.js'
import { type Deferred, deferred } from '../common/deferred.js'
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

/**
 * Fetches that wait for data. The append that completes one wakes it directly, in the microtask after the append, so that what one produce
 * request adds to several partitions is answered at once. Of many they are woken one by one, so that a hundred do not work through what came
 * before anybody looks at the time. One timer, for the next deadline, serves all.
 */
export class DelayedFetches {
  readonly #clock: Clock
  readonly #waiting = new Set<DelayedFetch>()
  /** Those that are listened to: one listener per signal, however often it is passed; a consumer passes the same one with every fetch. */
  readonly #signals = new WeakSet<AbortSignal>()
  readonly #woken: DelayedFetch[] = []
  readonly #turn: Turn
  readonly #onMicrotask = () => this.#deliver()
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
    this.#turn = turnOf(clock)
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Resolves when `missingBytes` have been appended to the partitions, one of them is gone, or it is `deadline`; rejects when the signal aborts. */
  wait(partitions: readonly Partition[], missingBytes: number, deadline: number, signal?: AbortSignal): Promise<WaitOutcome> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const fetch = new DelayedFetch(this, partitions, missingBytes, deadline, signal)
    this.#waiting.add(fetch)
    for (const partition of partitions) partition.listen(fetch)
    if (signal) this.#listenTo(signal)
    if (deadline < this.#timerAt) this.#setTimer(deadline)
    return fetch.done.promise
  }

  /** Wakes a fetch once the code that is running now has run to its end. */
  wake(fetch: DelayedFetch): void {
    if (!this.#waiting.delete(fetch)) return
    this.#detach(fetch)
    if (this.#woken.push(fetch) === 1) done.then(this.#onMicrotask)
  }

  /** Lets all that waits end with `reason`. */
  close(reason: unknown): void {
    this.#timer?.cancel()
    this.#timerAt = Number.POSITIVE_INFINITY
    for (const fetch of this.#waiting) this.#end(fetch, () => fetch.done.reject(reason))
  }

  #deliver(): void {
    this.#woken.shift()?.done.resolve('arrived')
    if (this.#woken.length > 0) (this.#turn.breath() ?? done).then(this.#onMicrotask)
  }

  #end(fetch: DelayedFetch, settle: () => void): void {
    if (!this.#waiting.delete(fetch)) return
    this.#detach(fetch)
    settle()
  }

  #detach(fetch: DelayedFetch): void {
    const { partitions } = fetch
    for (let i = 0; i < partitions.length; i++) partitions[i].unlisten(fetch)
  }

  #listenTo(signal: AbortSignal): void {
    if (this.#signals.has(signal)) return
    this.#signals.add(signal)
    const onAbort = () => {
      for (const fetch of this.#waiting) if (fetch.signal === signal) this.#end(fetch, () => fetch.done.reject(signal.reason))
    }
    signal.addEventListener('abort', onAbort, { once: true })
  }

  #setTimer(deadline: number): void {
    this.#timer?.cancel()
    this.#timerAt = deadline
    // A process whose consumer waits must not exit.
    this.#timer = this.#clock.setTimer(Math.max(0, deadline - this.#clock.now()), () => this.#expire(), { keepAlive: true })
  }

  #expire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const fetch of this.#waiting) {
      if (fetch.deadline <= now) this.#end(fetch, () => fetch.done.resolve('timedOut'))
      else next = Math.min(next, fetch.deadline)
    }
    if (next !== Number.POSITIVE_INFINITY) this.#setTimer(next)
  }
}

class DelayedFetch implements AppendListener {
  readonly partitions: readonly Partition[]
  readonly deadline: number
  readonly signal: AbortSignal | undefined
  readonly done: Deferred<WaitOutcome> = deferred<WaitOutcome>()
  readonly #owner: DelayedFetches
  #missingBytes: number

  constructor(owner: DelayedFetches, partitions: readonly Partition[], missingBytes: number, deadline: number, signal?: AbortSignal) {
    this.#owner = owner
    this.partitions = partitions
    this.#missingBytes = missingBytes
    this.deadline = deadline
    this.signal = signal
  }

  appended(bytes: number): void {
    this.#missingBytes -= bytes
    if (this.#missingBytes <= 0) this.#owner.wake(this)
  }

  ended(): void {
    this.#owner.wake(this)
  }
}
