import { isPromise, type MaybePromise } from '../common/deferred.js'
import type { Turns } from '../common/turns.js'
import type { ResponseOf } from '../protocol/message.js'
import type { Produce } from '../protocol/messages/produce.js'

/** After so many bytes a client waits for its turn, whatever time they took. */
const bytesPerTurn = 64 * 1024

/** What one client over the wire writes: it gets its answer when those who read that, and are behind, have had their turns. */
export class RemoteWrites {
  readonly #turns: Turns
  #bytes = 0

  constructor(turns: Turns) {
    this.#turns = turns
  }

  /** `bytes` were asked to be written. */
  answer(response: MaybePromise<ResponseOf<typeof Produce>>, bytes: number): MaybePromise<ResponseOf<typeof Produce>> {
    this.#bytes += bytes
    return isPromise(response) ? response.then(settled => this.#inTurn(settled)) : this.#inTurn(response)
  }

  #inTurn(response: ResponseOf<typeof Produce>): MaybePromise<ResponseOf<typeof Produce>> {
    if (!this.#turns.isOver() && this.#bytes < bytesPerTurn) return response
    const written = { topics: response.responses.map(({ name = '' }) => name), bytes: this.#bytes, since: 0 }
    this.#bytes = 0
    return new Promise(resolve => this.#turns.add({ resume: () => resolve(response), written }))
  }
}
