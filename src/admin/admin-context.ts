import { CoordinatorCache } from '../client/coordinator-cache.js'
import { MetadataCache } from '../client/metadata-cache.js'
import { Backoff, type CallOptions, isRetriable, limitedBy } from '../client/retry.js'
import type { Clock } from '../common/clock.js'
import type { Random } from '../common/random.js'
import { errorCodeOf, KafkaError, type KafkaErrorDetail } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import type { AdminOptions } from './admin-options.js'

/** What all calls of an admin share: whom to ask, how long, and when to ask again. */
export class AdminContext {
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly coordinators: CoordinatorCache
  readonly #clock: Clock
  readonly #backoff: Backoff
  readonly #timeoutMs: number
  readonly #closing = new AbortController()

  constructor(brokers: Brokers, clock: Clock, random: Random, options: AdminOptions) {
    this.brokers = brokers
    this.#clock = clock
    // Whoever administers wants to hear at once that a topic does not exist.
    this.metadata = new MetadataCache(brokers, { clock, random, ...options, unknownTopicRetries: 0 })
    this.coordinators = new CoordinatorCache(brokers)
    this.#backoff = new Backoff(clock, random, options)
    this.#timeoutMs = options.timeoutMs ?? 60_000
  }

  close(): void {
    this.#closing.abort(new KafkaError('CLOSED', 'The admin is closed'))
  }

  /** Tries until it succeeds or cannot, within the limits of the call. */
  async call<T>(options: CallOptions, attempt: (limits: CallOptions) => Promise<T>): Promise<T> {
    this.#closing.signal.throwIfAborted()
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs
    const limit = limitedBy(this.#clock, timeoutMs, options.signal, this.#closing.signal)
    try {
      const limits = { timeoutMs, signal: limit.signal }
      return await this.#backoff.retry(() => attempt(limits), limits, isWorthAnotherTry)
    } finally {
      limit.end()
    }
  }

  /** Asks any broker; one that is not the controller passes on what only the controller can do. */
  ask<A extends Api>(api: A, request: RequestOf<A>, { signal }: CallOptions): Promise<ResponseOf<A>> {
    return this.brokers.any().request(api, request, signal)
  }

  /** Asks the coordinator of a group; `errorIn` finds the error that stands for the whole response. */
  async askCoordinator<A extends Api>(
    groupId: string,
    api: A,
    request: RequestOf<A>,
    { signal }: CallOptions,
    errorIn: (response: ResponseOf<A>) => number | undefined
  ): Promise<ResponseOf<A>> {
    const coordinator = await this.coordinators.ofGroup(groupId, signal)
    const response = await coordinator.request(api, request, signal)
    const errorCode = errorIn(response) ?? 0
    if (errorCode === 0) return response
    if (coordinatorErrors.has(errorCodeOf(errorCode))) this.coordinators.forget(groupId)
    throw KafkaError.fromNumber(errorCode, `The group \`${groupId}\`: ${KafkaError.fromNumber(errorCode).message}`)
  }

  /** The broker that leads a partition. */
  leaderOf(topic: string, partition: number): Broker {
    if (!this.metadata.partition(topic, partition)) throw unknownPartition(topic, partition)
    const leader = this.metadata.leaderOf(topic, partition)
    if (!leader) throw new KafkaError('LEADER_NOT_AVAILABLE', undefined, { topic, partition })
    return leader
  }
}

const coordinatorErrors: ReadonlySet<string> = new Set(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE'])

function isWorthAnotherTry(error: unknown): boolean {
  if (!isRetriable(error)) return false
  const { code } = error as KafkaError
  return code !== 'UNKNOWN_TOPIC_OR_PARTITION' && code !== 'UNKNOWN_TOPIC_ID' && code !== 'REQUEST_TIMED_OUT'
}

export function unknownPartition(topic: string, partition: number): KafkaError {
  return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no partition ${partition} of \`${topic}\``, { topic, partition })
}

/** The failures of a response as one error: the first, which names the others as its cause when there are more. */
export function throwFailures(failures: readonly KafkaError[]): void {
  if (failures.length === 0) return
  const [first] = failures
  if (failures.length === 1) throw first
  const detail: KafkaErrorDetail = { topic: first.topic, partition: first.partition, cause: new AggregateError(failures) }
  throw new KafkaError(first.code, `${first.message} (and ${failures.length - 1} more)`, detail)
}
