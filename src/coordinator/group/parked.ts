import { type Deferred, deferred } from '../../common/deferred.js'

/** A request whose answer has to wait for others. */
export class Parked<T> {
  readonly #deferred: Deferred<T> = deferred<T>()
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: () => void
  #aborted = false

  /** `abandoned` is called when the signal aborts before there is an answer; the request rejects with the signal's reason. */
  constructor(signal: AbortSignal | undefined, abandoned: () => void) {
    this.#signal = signal
    // Whoever asked may not listen yet when the signal aborts.
    this.#deferred.promise.catch(() => {})
    this.#onAbort = () => {
      this.#aborted = true
      this.#deferred.reject(signal?.reason)
      abandoned()
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get promise(): Promise<T> {
    return this.#deferred.promise
  }

  get isAborted(): boolean {
    return this.#aborted
  }

  complete(response: T): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#deferred.resolve(response)
  }
}
