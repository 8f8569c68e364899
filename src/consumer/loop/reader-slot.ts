import type { Clock } from '../../common/clock.js'
import { abortable, type Deferred, deferred } from '../../common/deferred.js'
import { KeepAlive } from './keep-alive.js'
import type { Reader } from './reader.js'
import { StuckWatch } from './stuck-watch.js'

/** The place of the one reader that a consumer may have. */
export class ReaderSlot {
  readonly #keepAlive: KeepAlive
  readonly #stuckWatch: StuckWatch
  #reader: Reader | undefined
  #polled: Deferred<void> | undefined

  constructor(clock: Clock, maxPollIntervalMs: number) {
    this.#keepAlive = new KeepAlive(clock)
    this.#stuckWatch = new StuckWatch(maxPollIntervalMs)
  }

  get reader(): Reader | undefined {
    return this.#reader
  }

  /** Throws a `TypeError` when there is a reader already. */
  begin(reader: Reader): void {
    if (this.#reader) throw new TypeError('This consumer is being read already; end that loop, or `run`, before another')
    this.#reader = reader
    this.#keepAlive.hold()
  }

  /** Returns whether it was this reader's place. */
  end(reader: Reader): boolean {
    if (this.#reader !== reader) return false
    this.#reader = undefined
    this.#keepAlive.release()
    return true
  }

  /** Keeps the process alive during a wait of the user's. */
  async whileAlive<T>(wait: Promise<T>): Promise<T> {
    this.#keepAlive.hold()
    try {
      return await wait
    } finally {
      this.#keepAlive.release()
    }
  }

  /** The reader asks for the next record. */
  polled(): void {
    this.#polled?.resolve()
  }

  /** Resolves when the reader asks for the next record. */
  nextPoll(signal: AbortSignal): Promise<void> {
    this.#polled = deferred()
    return abortable(this.#polled.promise, signal)
  }

  /** True if something has been in hand for `maxPollIntervalMs`. */
  isStuck(now: number, missedMs: number): boolean {
    return this.#stuckWatch.isStuck(this.#reader?.inHand() ?? [], now, missedMs)
  }
}
