import type { MaybePromise } from '../../common/deferred.js'
import { afterLoop } from '../../common/host.js'

/**
 * The number of bytes that are compacted between two yields, about 1 to 5 ms of work. Counted in
 * bytes, so that a seed replays a run.
 */
const sliceBytes = 128 * 1024

/**
 * Divides long work into slices, between which the event loop goes round; and ends it, by throwing
 * the signal's reason, when it is aborted.
 */
export class Slices {
  readonly #signal: AbortSignal | undefined
  #left = sliceBytes

  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  /** Notes that so many bytes were worked on; wait for the promise, if there is one. */
  spend(bytes: number): MaybePromise<void> {
    this.#signal?.throwIfAborted()
    this.#left -= bytes
    if (this.#left > 0) return
    this.#left = sliceBytes
    return this.#giveWay()
  }

  async #giveWay(): Promise<void> {
    await new Promise<void>(afterLoop)
    this.#signal?.throwIfAborted()
  }
}
