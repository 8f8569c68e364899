import { type Backoff, isRetriable, limitedBy } from '../client/retry.js'
import type { Clock } from '../common/clock.js'
import { abortable, isPromise, type MaybePromise } from '../common/deferred.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import type { ResponseOf } from '../protocol/message.js'
import { InitProducerId } from '../protocol/messages/init-producer-id.js'
import { noProducerId } from '../record/batch-header.js'

export interface ProducerIdentityParts {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly backoff: Backoff
  readonly requestTimeoutMs: number
  /** True if records wait for the id, so that asking once more makes sense. */
  readonly isWanted: () => boolean
}

/** Under what id and epoch batches are numbered. */
export interface SequenceIdentity {
  readonly producerId: number
  /** The first epoch of a partition's batches. */
  readonly epoch: number
  readonly isKnown: boolean
  /** True if batches belong to transactions, whose epochs the coordinator gives. */
  readonly isTransactional: boolean
  readonly lastError: unknown
  /** An id is of no further use. */
  retire(producerId: number): void
  /** Gets an id where there is none. */
  acquire(signal: AbortSignal): MaybePromise<void>
}

/**
 * Errors that say that the id belongs to a later epoch, or to another producer. A transactional
 * producer is fenced by them.
 */
export const identityErrors: ReadonlySet<string> = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING'])

/** Asks for an id without transactions. */
export const idRequest = { transactionalId: null, transactionTimeoutMs: 2 ** 31 - 1 }

/**
 * The id under which an idempotent producer writes (KIP-98): the cluster gives it, and gives
 * another where it is used up.
 */
export class ProducerIdentity implements SequenceIdentity {
  readonly isTransactional = false
  readonly epoch = 0
  readonly #parts: ProducerIdentityParts
  #producerId = noProducerId
  #asking: Promise<void> | undefined
  #lastError: unknown

  constructor(parts: ProducerIdentityParts) {
    this.#parts = parts
  }

  get isKnown(): boolean {
    return this.#producerId !== noProducerId
  }

  get producerId(): number {
    return this.#producerId
  }

  /** The error of the last try to get an id. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** An id is of no further use: its epochs are used up, or somebody else has it. */
  retire(producerId: number): void {
    if (producerId === this.#producerId) this.#producerId = noProducerId
  }

  /**
   * Gets an id where there is none, again and again while it is wanted. Rejects with the error that
   * ended that.
   */
  acquire(signal: AbortSignal): MaybePromise<void> {
    if (this.isKnown) return
    if (this.#asking) return this.#asking
    let asked: MaybePromise<ResponseOf<typeof InitProducerId>>
    try {
      asked = this.#parts.brokers.any().request(InitProducerId, idRequest, signal)
      if (!isPromise(asked)) return this.#answered(asked)
    } catch (error) {
      asked = Promise.reject(error)
    }
    this.#asking = this.#untilKnown(asked, signal).finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #untilKnown(first: Promise<ResponseOf<typeof InitProducerId>>, signal: AbortSignal): Promise<void> {
    const { brokers, backoff, clock, requestTimeoutMs, isWanted } = this.#parts
    let asked: typeof first | undefined = first
    for (let failures = 1; ; failures++) {
      const limit = limitedBy(clock, requestTimeoutMs, signal)
      try {
        const answer = asked ?? Promise.resolve(brokers.any().request(InitProducerId, idRequest, limit.signal))
        asked = undefined
        return this.#answered(await abortable(answer, limit.signal))
      } catch (error) {
        this.#lastError = named(error)
        if (signal.aborted || !isRetriable(error) || !isWanted()) throw this.#lastError
      } finally {
        limit.end()
      }
      await backoff.wait(failures, signal)
      if (!isWanted()) throw this.#lastError
    }
  }

  #answered(answer: ResponseOf<typeof InitProducerId>): void {
    const { producerId } = givenId(answer)
    this.#lastError = undefined
    this.#producerId = producerId
  }
}

/** The id and epoch in an answer; throws where there is none. */
export function givenId(answer: ResponseOf<typeof InitProducerId>): { readonly producerId: number; readonly producerEpoch: number } {
  const { errorCode, producerId = noProducerId, producerEpoch } = answer
  if (errorCode !== 0) throw KafkaError.fromNumber(errorCode)
  if (producerId < 0 || !(producerEpoch >= 0))
    throw new KafkaError(
      'UNKNOWN_SERVER_ERROR',
      `Expected a producer id and an epoch from the cluster, got ${producerId} and ${producerEpoch}`
    )
  return { producerId, producerEpoch }
}

/** The error of a cluster that gives no id, which says what it takes. */
function named(error: unknown): unknown {
  if (!(error instanceof KafkaError)) return error
  const wayOut = 'set `enableIdempotence: false` to send without an id, at least once'
  if (error.code === 'CLUSTER_AUTHORIZATION_FAILED') {
    const right = 'IdempotentWrite on the cluster, or Write on a topic'
    const message = `The cluster gives this client no producer id: it has neither of ${right}. Allow it one of them, or ${wayOut}`
    return new KafkaError(error.code, message, { cause: error })
  }
  if (error.code !== 'UNSUPPORTED_VERSION') return error
  return new KafkaError(error.code, `The cluster has no InitProducerId, which an idempotent producer needs: ${wayOut}`, { cause: error })
}
