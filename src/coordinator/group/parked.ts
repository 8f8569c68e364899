import { onAbort } from '../../common/abort.js'
import { type Deferred, deferred } from '../../common/deferred.js'

/** A request whose answer has to wait for others. */
export class Parked<T> {
  readonly #deferred: Deferred<T> = deferred<T>()
  readonly #unlisten: (() => void) | undefined
  #aborted = false

  /**
   * `abandoned` is called when the signal aborts before there is an answer; the request rejects
   * with the signal's reason.
   */
  constructor(signal: AbortSignal | undefined, abandoned: () => void) {
    // The caller may not listen yet when the signal aborts.
    this.#deferred.promise.catch(() => {})
    this.#unlisten =
      signal &&
      onAbort(signal, () => {
        this.#aborted = true
        this.#deferred.reject(signal.reason)
        abandoned()
      })
  }

  get promise(): Promise<T> {
    return this.#deferred.promise
  }

  get isAborted(): boolean {
    return this.#aborted
  }

  complete(response: T): void {
    this.#unlisten?.()
    this.#deferred.resolve(response)
  }
}
