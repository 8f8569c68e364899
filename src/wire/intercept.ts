import { expectInteger } from '../common/options.js'
import type { Api } from '../protocol/message.js'

/** A request on its way through a listener. */
export interface Exchange {
  readonly api: Api
  readonly apiVersion: number
  readonly clientId: string
  /** The connection, as in the listener's events. */
  readonly connectionId: number
  /** The request. */
  readonly body: object
  /** Aborts when the connection ends. */
  readonly signal: AbortSignal
}

/** The treatment of an answer; made by `noAnswer` and `cutAnswer`. */
export class Interception {
  /**
   * The number of bytes of the frame that are sent before the connection is closed; undefined: none
   * are sent, and the connection stays.
   */
  readonly answerBytes: number | undefined

  constructor(answerBytes: number | undefined) {
    this.answerBytes = answerBytes
  }
}

/**
 * Stands between the connections of a listener and the node: sees every request
 * (`exchange.api.name`, `exchange.body`), may wait, changes the response or makes one up, keeps it
 * back (`noAnswer`), closes the connection in mid-answer (`cutAnswer(10)`) or at once (throw).
 *
 * ```ts
 * const listener = await listen(cluster, {
 *   async intercept(exchange, answer) {
 *     if (exchange.api.name === 'Fetch') await sleep(1000)
 *     return answer()
 *   }
 * })
 * ```
 */
export type Intercept = (exchange: Exchange, answer: () => Promise<object>) => Promise<object> | object

/**
 * The request is never answered. The connection stays open, and what follows on it waits, as with a
 * broker that hangs.
 */
export const noAnswer: Interception = new Interception(undefined)

/** Only the first bytes of the answer are sent; then the connection is closed. */
export function cutAnswer(bytes: number): Interception {
  expectInteger('bytes', bytes, 0)
  return new Interception(bytes)
}
