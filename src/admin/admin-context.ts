import { CoordinatorCache } from '../client/coordinator-cache.js'
import { GroupConnection } from '../client/group-connection.js'
import { MetadataCache } from '../client/metadata-cache.js'
import { Backoff, type CallOptions, isRetriable, limitedBy } from '../client/retry.js'
import type { Clock } from '../common/clock.js'
import type { Random } from '../common/random.js'
import { errorCodeOf, errorNumber, KafkaError, type KafkaErrorDetail } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import type { AdminOptions } from './admin-options.js'

/**
 * The longest time that a broker may wait for a result, in ms; the call as a whole has its own
 * limit.
 */
export const brokerTimeoutMs = 30_000

/** The limits of one try of a call. The call is retried as a whole, so its parts must not be. */
export interface Limits {
  readonly signal: AbortSignal | undefined
  readonly retry: false
}

/** State that all calls of an admin share: brokers, time limits and retries. */
export class AdminContext {
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly #coordinators: CoordinatorCache
  readonly #clock: Clock
  readonly #backoff: Backoff
  readonly #timeoutMs: number
  readonly #closing = new AbortController()

  constructor(brokers: Brokers, clock: Clock, random: Random, options: AdminOptions) {
    this.brokers = brokers
    this.#clock = clock
    // An administrator wants to hear at once that a topic does not exist.
    this.metadata = new MetadataCache(brokers, { clock, random, ...options, unknownTopicRetries: 0 })
    this.#coordinators = new CoordinatorCache(brokers)
    this.#backoff = new Backoff(clock, random, options)
    this.#timeoutMs = options.timeoutMs ?? 60_000
  }

  close(): void {
    this.#closing.abort(new KafkaError('CLOSED', 'The admin is closed'))
  }

  /** Tries until it succeeds or cannot, within the limits of the call. */
  async call<T>(options: CallOptions, attempt: (limits: Limits) => Promise<T>): Promise<T> {
    this.#closing.signal.throwIfAborted()
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs
    const ending = limitedBy(this.#clock, Number.POSITIVE_INFINITY, options.signal, this.#closing.signal)
    try {
      const limits = { timeoutMs, signal: ending.signal }
      return await this.#backoff.retry(signal => attempt({ signal, retry: false }), limits, isWorthAnotherTry)
    } finally {
      ending.end()
    }
  }

  /**
   * Asks about several things by name, and again about those that are over a quota (KIP-599) until
   * none is left.
   */
  async callWithinQuota<T extends { readonly name: string | null }, R extends { readonly name: string | null; readonly errorCode: number }>(
    options: CallOptions,
    wanted: readonly T[],
    ask: (some: T[], limits: Limits) => Promise<readonly (R & { readonly errorMessage?: string | null })[]>
  ): Promise<R[]> {
    let left = [...wanted]
    const answered: R[] = []
    await this.call(options, async limits => {
      const results = await ask(left, limits)
      const isOver = ({ errorCode }: R) => errorCode === overQuota
      answered.push(...results.filter(result => !isOver(result)))
      const over = results.filter(isOver)
      left = left.filter(({ name }) => over.some(result => result.name === name))
      if (over.length > 0) throw KafkaError.fromNumber(overQuota, over[0].errorMessage)
    })
    return answered
  }

  /** Asks any broker; one that is not the controller passes on what only the controller can do. */
  async ask<A extends Api>(api: A, request: RequestOf<A>, { signal }: Limits): Promise<ResponseOf<A>> {
    return this.brokers.any().request(api, request, signal)
  }

  /**
   * Asks the coordinator of a group; `errorIn` finds the error that stands for the whole response.
   */
  async askCoordinator<A extends Api>(
    groupId: string,
    api: A,
    request: RequestOf<A>,
    { signal }: Limits,
    errorIn: (response: ResponseOf<A>) => number | undefined
  ): Promise<ResponseOf<A>> {
    const coordinator = new GroupConnection(groupId, this.#coordinators)
    const response = await coordinator.ask(api, request, signal)
    const errorCode = errorIn(response) ?? 0
    if (errorCode === 0) return response
    coordinator.noteError(errorCodeOf(errorCode))
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

const overQuota = errorNumber('THROTTLING_QUOTA_EXCEEDED')

function isWorthAnotherTry(error: unknown): boolean {
  if (!isRetriable(error)) return false
  const { code } = error as KafkaError
  return code !== 'UNKNOWN_TOPIC_OR_PARTITION' && code !== 'UNKNOWN_TOPIC_ID' && code !== 'REQUEST_TIMED_OUT'
}

export function unknownPartition(topic: string, partition: number): KafkaError {
  return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no partition ${partition} of \`${topic}\``, { topic, partition })
}

/**
 * The failures of a response as one error: the first, which names the others as its cause when
 * there are more.
 */
export function throwFailures(failures: readonly KafkaError[]): void {
  if (failures.length === 0) return
  const [first] = failures
  if (failures.length === 1) throw first
  const detail: KafkaErrorDetail = { topic: first.topic, partition: first.partition, cause: new AggregateError(failures) }
  throw new KafkaError(first.code, `${first.message} (and ${failures.length - 1} more)`, detail)
}
