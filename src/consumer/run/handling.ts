import { Backoff } from '../../client/retry.js'
import type { Clock } from '../../common/clock.js'
import { isPromise, type MaybePromise } from '../../common/deferred.js'
import type { Random } from '../../common/random.js'
import { RejectedRecordError } from '../rejection.js'
import type { HandlerContext, RetryPolicy } from './run-options.js'

export interface HandlingOptions<I> {
  readonly handler: (item: I, context: HandlerContext) => unknown
  readonly retry: RetryPolicy | undefined
  /** Takes what all tries failed on. */
  readonly giveUp: ((item: I, error: unknown) => Promise<void>) | undefined
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/**
 * Handles one item at a time to its end: handler, retries, dead letter. What fails after all that
 * is thrown.
 */
export class Handling<I> {
  readonly #options: HandlingOptions<I>
  readonly #attempts: number
  readonly #backoff: Backoff
  readonly #firstTry: HandlerContext

  constructor(options: HandlingOptions<I>) {
    const { retry, clock, random, signal } = options
    this.#options = options
    this.#attempts = retry ? (retry.attempts ?? 3) : 1
    this.#backoff = new Backoff(clock, random, {
      retryBackoffMs: retry?.backoffMs ?? 100,
      retryBackoffMaxMs: retry?.maxBackoffMs ?? Math.max(10_000, retry?.backoffMs ?? 0)
    })
    this.#firstTry = Object.freeze({ attempt: 1, signal })
  }

  handle(item: I): MaybePromise<void> {
    let result: unknown
    try {
      result = this.#options.handler(item, this.#firstTry)
    } catch (error) {
      return this.#failed(item, error)
    }
    if (isPromise(result)) return Promise.resolve(result).then(ignore, error => this.#failed(item, error))
  }

  async #failed(item: I, firstError: unknown): Promise<void> {
    const { handler, giveUp, signal } = this.#options
    // The user chose that such a record stops everything; no retry makes it another.
    if (firstError instanceof RejectedRecordError) throw firstError
    let error = firstError
    for (let failures = 1; failures < this.#attempts; failures++) {
      await this.#backoff.wait(failures, signal)
      try {
        await handler(item, { attempt: failures + 1, signal })
        return
      } catch (reason) {
        error = reason
      }
    }
    if (giveUp === undefined) throw error
    // A later try may succeed.
    signal.throwIfAborted()
    await giveUp(item, error)
  }
}

function ignore(): void {}
