import { isPromise, type MaybePromise } from '../common/deferred.js'
import type { Turns } from '../common/turns.js'

/** After so many bytes a client waits for its turn, whatever time they took. */
const bytesPerTurn = 64 * 1024

/**
 * The writes of one client over the wire: they are answered after readers that are behind have had
 * their turns.
 */
export class RemoteWrites {
  readonly #turns: Turns
  #bytes = 0

  constructor(turns: Turns) {
    this.#turns = turns
  }

  /** `bytes` were asked to be written to topics. */
  answer<R>(response: MaybePromise<R>, bytes: number, topics: () => string[]): MaybePromise<R> {
    this.#bytes += bytes
    return isPromise(response) ? response.then(settled => this.#inTurn(settled, topics)) : this.#inTurn(response, topics)
  }

  #inTurn<R>(response: R, topics: () => string[]): MaybePromise<R> {
    if (!this.#turns.isOver() && this.#bytes < bytesPerTurn) return response
    const written = { topics: topics(), bytes: this.#bytes, since: 0 }
    this.#bytes = 0
    return new Promise(resolve => this.#turns.add({ resume: () => resolve(response), written }))
  }
}
