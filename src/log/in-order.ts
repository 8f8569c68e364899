import { isPromise, type MaybePromise } from '../common/deferred.js'

/**
 * Lets changes happen one after the other, in the order of the calls; at once while nothing is
 * under way.
 */
export class InOrder {
  #last: Promise<unknown> | undefined

  /** True if a change is under way, so that the next one has to wait. */
  get isBusy(): boolean {
    return this.#last !== undefined
  }

  run<T>(change: () => MaybePromise<T>): MaybePromise<T> {
    return this.follow(this.#last ? this.#last.then(change) : change())
  }

  /**
   * Makes later changes wait for one that was begun while nothing was under way. Returns what it is
   * given.
   */
  follow<T>(change: MaybePromise<T>): MaybePromise<T> {
    if (!isPromise(change)) return change
    const done = () => {
      if (this.#last === last) this.#last = undefined
    }
    const last: Promise<unknown> = change.then(done, done)
    this.#last = last
    return change
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#last) await this.#last
  }
}
