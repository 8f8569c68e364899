import type { CoordinatorCache } from '../client/coordinator-cache.js'
import { type Backoff, isRetriable, limitedBy } from '../client/retry.js'
import {
  type HandedOutBatch,
  type OffsetToCommit,
  type TransactionalOffsets,
  type TransactionConsumer,
  transactionalOffsetsOf
} from '../client/transactional-offsets.js'
import { firstToAbort } from '../common/abort.js'
import type { Clock } from '../common/clock.js'
import { abortable } from '../common/deferred.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { EndTxn } from '../protocol/messages/end-txn.js'
import { InitProducerId } from '../protocol/messages/init-producer-id.js'
import { noProducerId } from '../record/batch-header.js'
import { identityErrors, type SequenceIdentity } from './producer-identity.js'

export interface TransactionsParts {
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly brokers: Brokers
  readonly coordinators: CoordinatorCache
  readonly clock: Clock
  readonly backoff: Backoff
  readonly requestTimeoutMs: number
  /** So long a begin or an end is tried, in milliseconds. */
  readonly patienceMs: number
}

/** As brokers ask to be told of clients. */
const software = { clientSoftwareName: 'millrace', clientSoftwareVersion: '0' }
/** The feature that says that transactions are those of KIP-890, and its level. */
const feature = 'transaction.version'
const neededLevel = 2

type State = 'new' | 'idle' | 'beginning' | 'open' | 'ending'

/**
 * The transactions of one producer: its id and epoch, which the coordinator gives it anew with
 * each, and whether one is open. From version 2 of transactions on partitions take part with their
 * first batch, and each end gives the next epoch (KIP-890).
 *
 * Size: any answer can end each stage of a transaction, and the identity with it.
 */
export class Transactions implements SequenceIdentity {
  readonly isTransactional = true
  readonly transactionalId: string
  readonly #parts: TransactionsParts
  #state: State = 'new'
  #producerId = noProducerId
  #epoch = -1
  /** Counts the transactions, so that a handle knows whether its own is still open. */
  #number = 0
  /** True if records of the open transaction have reached the cluster. */
  #hasDelivered = false
  /** The reason why the open transaction cannot be committed. */
  #failure: unknown
  #fenced: KafkaError | undefined
  /** The consumers of the open transaction. */
  readonly #consumers = new Map<TransactionConsumer, TransactionalOffsets>()
  /** Consumers that each abort takes back. */
  readonly #followers = new Set<TransactionConsumer>()
  /** Aborts when the producer no longer waits for what is asked for transactions. */
  readonly #stopping = new AbortController()
  /** A begin or an end that is under way. */
  #turning: Promise<unknown> | undefined
  /**
   * The end of what an unanswered end has left open, for which consumers wait; tells whether it
   * has succeeded.
   */
  #resolving: Promise<boolean> | undefined
  /** Commits of offsets that are under way. */
  readonly #committing = new Set<Promise<unknown>>()

  constructor(parts: TransactionsParts) {
    this.#parts = parts
    this.transactionalId = parts.transactionalId
  }

  get isKnown(): boolean {
    return this.#producerId !== noProducerId
  }

  get producerId(): number {
    return this.#producerId
  }

  get epoch(): number {
    return this.#epoch
  }

  get lastError(): unknown {
    return this.#fenced
  }

  get isOpen(): boolean {
    return this.#state === 'open' && !this.#fenced
  }

  get isBeginning(): boolean {
    return this.#state === 'beginning'
  }

  /** Resolves when no begin and no end is under way. */
  async turned(signal: AbortSignal): Promise<void> {
    await abortable(Promise.allSettled([this.#turning]), signal)
  }

  /** Ends all waits for the cluster with this error. */
  stop(error: KafkaError): void {
    this.#stopping.abort(error)
  }

  /** The number of the open transaction. */
  get number(): number {
    return this.#number
  }

  /** The id of a transactional producer is not given up. */
  retire(): void {}

  acquire(): void {}

  /** Records have reached the cluster. */
  delivered(): void {
    this.#hasDelivered = true
  }

  /** A record could not be delivered: the open transaction can only be aborted. */
  failed(error: unknown): void {
    if (error instanceof KafkaError && identityErrors.has(error.code)) this.#fence(error)
    if (this.#state === 'open' || this.#state === 'ending') this.#failure ??= error
  }

  /**
   * Raises INVALID_TXN_STATE outside of a transaction, and PRODUCER_FENCED where another producer
   * has the id.
   */
  expectOpen(number = this.#number): void {
    if (this.#fenced) throw this.#fenced
    if (this.#state === 'open' && number === this.#number) return
    const state = number === this.#number && this.#state !== 'idle' && this.#state !== 'new' ? 'is being ended' : 'is not open'
    throw new KafkaError('INVALID_TXN_STATE', `The transaction ${state}: records of a producer with a \`transactionalId\` are sent in one`)
  }

  /**
   * Raises INVALID_TXN_STATE where a transaction is over, and PRODUCER_FENCED; passes while its end
   * waits for what was sent in it.
   */
  expectUnderWay(number: number): void {
    if (!(this.#state === 'ending' && number === this.#number && !this.#fenced)) this.expectOpen(number)
  }

  /** Begins a transaction. Raises INVALID_TXN_STATE where one is open. */
  async begin(signal?: AbortSignal): Promise<void> {
    if (this.#fenced) throw this.#fenced
    if (this.#state !== 'new' && this.#state !== 'idle')
      throw new KafkaError('INVALID_TXN_STATE', 'A transaction is open already: commit or abort it before the next one begins')
    const before = this.#state
    this.#state = 'beginning'
    try {
      if (before === 'new' && !(await abortable(Promise.resolve(this.#resolving), signal))) await this.#turn(this.#init(signal))
    } catch (error) {
      this.#state = before
      throw error
    }
    this.#failure = undefined
    this.#hasDelivered = false
    this.#number++
    this.#state = 'open'
    for (const consumer of this.#followers) this.#join(consumer, true)
  }

  /** Commits offsets of a consumer with the open transaction. */
  async commitOffsets(
    number: number,
    consumer: TransactionConsumer,
    offsets: readonly (OffsetToCommit | HandedOutBatch)[] | undefined,
    signal?: AbortSignal
  ): Promise<void> {
    this.expectOpen(number)
    const committing = this.#commitOffsets(consumer, offsets, signal)
    this.#committing.add(committing)
    try {
      await committing
    } finally {
      this.#committing.delete(committing)
    }
  }

  async #commitOffsets(
    consumer: TransactionConsumer,
    offsets: readonly (OffsetToCommit | HandedOutBatch)[] | undefined,
    signal?: AbortSignal
  ): Promise<void> {
    const { transactionalId, producerId, epoch: producerEpoch } = this
    const limit = firstToAbort(signal, this.#stopping.signal)
    try {
      const part = this.#consumers.get(consumer) ?? this.#join(consumer, false)
      const limits = { timeoutMs: this.#parts.patienceMs, signal: limit.signal }
      if (await part.commit({ transactionalId, producerId, producerEpoch }, offsets, limits)) this.#hasDelivered = true
    } catch (error) {
      this.failed(error)
      throw this.#fenced ?? error
    } finally {
      limit.end()
    }
  }

  #join(consumer: TransactionConsumer, takesBack: boolean): TransactionalOffsets {
    const part = transactionalOffsetsOf(consumer, takesBack)
    this.#consumers.set(consumer, part)
    return part
  }

  /** Resolves when no offsets are on their way any more. */
  async offsetsSettled(signal?: AbortSignal): Promise<void> {
    await abortable(Promise.allSettled(this.#committing), signal)
  }

  /** Tells consumers how the transaction has ended; undefined where that is not known. */
  #tellConsumers(isCommitted: boolean | undefined): void {
    for (const [consumer, part] of this.#consumers) {
      if (part.isClosed) this.#followers.delete(consumer)
      else if (part.isLasting) this.#followers.add(consumer)
      part.ended(isCommitted)
    }
    this.#consumers.clear()
  }

  /** From now on nothing more may be sent in it. */
  close(number: number): void {
    this.expectOpen(number)
    this.#state = 'ending'
  }

  /**
   * The end of the transaction is no longer waited for: it is over, and the next one aborts what is
   * left of it.
   */
  abandon(): void {
    this.#state = 'new'
    this.#tellConsumers(false)
  }

  /**
   * Tells the coordinator how the transaction ends, which then is over whatever becomes of the
   * request. One that cannot be committed is aborted, and what went wrong is thrown.
   */
  async end(isCommitted: boolean, signal?: AbortSignal): Promise<void> {
    const failure = this.#failure
    let hasCommitted: boolean | undefined = false
    try {
      if (this.#fenced) throw this.#fenced
      // The coordinator knows nothing of it.
      if (!this.#hasDelivered && failure === undefined) {
        hasCommitted = isCommitted
        return
      }
      const { transactionalId } = this
      const request = {
        transactionalId,
        producerId: this.#producerId,
        producerEpoch: this.#epoch,
        committed: isCommitted && failure === undefined
      }
      hasCommitted = undefined
      const { producerId = -1, producerEpoch = -1 } = await this.#turn(this.#ask(EndTxn, request, signal))
      hasCommitted = request.committed
      if (producerId < 0) throw new KafkaError('UNSUPPORTED_VERSION', 'The cluster has ended a transaction without giving the next epoch')
      this.#producerId = producerId
      this.#epoch = producerEpoch
    } catch (error) {
      // The next one begins with a new epoch, by which what is left of this one is aborted.
      this.#state = 'new'
      throw error
    } finally {
      if (this.#state === 'ending') this.#state = 'idle'
      if (hasCommitted === undefined && this.#consumers.size > 0 && !this.#fenced) this.#resolve()
      this.#tellConsumers(hasCommitted)
    }
    if (isCommitted && failure !== undefined) throw failure
  }

  /**
   * Asks for the next epoch, by which what is left open is ended, without waiting for the next
   * begin.
   */
  #resolve(): void {
    const resolving = this.#init().then(
      () => true,
      () => false
    )
    this.#resolving = resolving
    void resolving.then(isResolved => {
      if (this.#resolving === resolving) this.#resolving = undefined
      if (isResolved && this.#state === 'new') this.#state = 'idle'
    })
  }

  #fence(cause: KafkaError): void {
    const message =
      `Another producer has begun with the transactional id \`${this.transactionalId}\`, or the transaction took longer than \`transactionTimeoutMs\`, ` +
      `${this.#parts.transactionTimeoutMs}: this producer is of no further use`
    this.#fenced ??= new KafkaError('PRODUCER_FENCED', message, { cause })
  }

  async #init(signal?: AbortSignal): Promise<void> {
    const { brokers, transactionTimeoutMs } = this.#parts
    const asked = await this.#untilAnswered(async ending => brokers.any().request(ApiVersions, software, ending), signal)
    const { finalizedFeatures = [] } = asked
    const level = finalizedFeatures.find(({ name }) => name === feature)?.maxVersionLevel ?? 0
    if (level < neededLevel)
      throw new KafkaError(
        'UNSUPPORTED_VERSION',
        `Expected a cluster with \`${feature}\` ${neededLevel} (Kafka 4.0 or newer, or millrace), which transactions need; it has ${level}`
      )
    const { transactionalId } = this
    const answer = await this.#ask(InitProducerId, { transactionalId, transactionTimeoutMs }, signal)
    this.#producerId = answer.producerId ?? -1
    this.#epoch = answer.producerEpoch
  }

  async #turn<R>(turning: Promise<R>): Promise<R> {
    this.#turning = turning
    try {
      return await turning
    } finally {
      this.#turning = undefined
    }
  }

  /** Asks the coordinator, and again after what goes by. */
  #ask<A extends Api>(api: A, request: RequestOf<A>, signal?: AbortSignal): Promise<ResponseOf<A>> {
    return this.#untilAnswered(ending => this.#askCoordinator(api, request, ending), signal)
  }

  async #askCoordinator<A extends Api>(api: A, request: RequestOf<A>, signal: AbortSignal): Promise<ResponseOf<A>> {
    const { coordinators } = this.#parts
    try {
      const coordinator = await coordinators.ofTransaction(this.transactionalId, signal)
      const answer = await abortable(Promise.resolve(coordinator.request(api, request, signal)), signal)
      const { errorCode } = answer as unknown as { readonly errorCode: number }
      if (errorCode === 0) return answer
      throw KafkaError.fromNumber(errorCode)
    } catch (error) {
      coordinators.forgetTransaction(this.transactionalId)
      if (!(error instanceof KafkaError && identityErrors.has(error.code))) throw error
      this.#fence(error)
      throw this.#fenced
    }
  }

  /** Tries again after what goes by, and where no answer comes within `requestTimeoutMs`. */
  async #untilAnswered<R>(ask: (signal: AbortSignal) => Promise<R>, signal?: AbortSignal): Promise<R> {
    const { clock, backoff, requestTimeoutMs, patienceMs } = this.#parts
    const attempt = async (timeoutMs: number, ...endings: (AbortSignal | undefined)[]) => {
      const time = limitedBy(clock, timeoutMs, ...endings)
      try {
        return await abortable(ask(time.signal), time.signal)
      } finally {
        time.end()
      }
    }
    const begun = clock.monotonic()
    let failed: { readonly error: unknown } | undefined
    // Mostly the first answer is the last; then one limit is made instead of three.
    try {
      return await attempt(Math.min(requestTimeoutMs, patienceMs), signal, this.#stopping.signal)
    } catch (error) {
      if (!isRetriable(error)) throw error
      failed = { error }
    }
    const next = async (ending: AbortSignal) => {
      const first = failed
      failed = undefined
      if (first) throw first.error
      return attempt(requestTimeoutMs, ending)
    }
    const limit = firstToAbort(signal, this.#stopping.signal)
    try {
      return await backoff.retry(next, {
        signal: limit.signal,
        timeoutMs: Math.max(1, Math.ceil(patienceMs - (clock.monotonic() - begun)))
      })
    } finally {
      limit.end()
    }
  }
}
