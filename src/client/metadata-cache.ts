import type { Clock } from '../common/clock.js'
import { abortable, type MaybePromise } from '../common/deferred.js'
import type { Random } from '../common/random.js'
import { zeroUuid } from '../common/uuid.js'
import { errorNumber, KafkaError } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import type { ResponseOf } from '../protocol/message.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { addressesOf, type BrokerAddresses } from './broker-addresses.js'
import { Backoff, type CallOptions, isRetriable, type RetryOptions } from './retry.js'

/** A partition as clients know it. */
export interface PartitionMetadata {
  readonly partition: number
  /** The node to ask; -1 while there is none. */
  readonly leaderId: number
  readonly leaderEpoch: number
}

/** A topic as clients know it. */
export interface TopicMetadata {
  readonly name: string
  /** 22 characters; all zero (`zeroUuid`) from a broker that knows no topic ids. */
  readonly id: string
  readonly isInternal: boolean
  /** By partition number: `partitions[3].partition === 3`. */
  readonly partitions: readonly PartitionMetadata[]
}

export interface MetadataCacheOptions extends RetryOptions {
  readonly clock: Clock
  readonly random: Random
  /** Milliseconds after which a topic is looked up again. Default: 300000, five minutes. */
  readonly metadataMaxAgeMs?: number
  /**
   * Milliseconds after which a topic that is due to be looked up again, and that nobody asks for,
   * is forgotten. Default: 300000, five minutes.
   */
  readonly metadataMaxIdleMs?: number
  /**
   * The number of retries for a topic that the cluster does not know, before that is an error: a
   * new topic may take a while to be seen. Default: 4.
   */
  readonly unknownTopicRetries?: number
}

export interface EnsureOptions extends CallOptions {
  /** True if the request may create a topic that does not exist. Default: `true`. */
  readonly allowAutoTopicCreation?: boolean
  /** Default: the cache's own `unknownTopicRetries`. */
  readonly unknownTopicRetries?: number
  /** True to retry by itself. `false` for a caller that tries again as a whole. Default: `true`. */
  readonly retry?: boolean
}

type Response = ResponseOf<typeof Metadata>

interface Known {
  readonly topic: TopicMetadata
  readonly toldAt: number
  readonly expiresAt: number
}

/** A request that is under way. */
interface Asking {
  /** Its number, in the order of asking. */
  readonly number: number
  readonly answer: Promise<Response>
}

/**
 * The topics and the leaders of their partitions, as one client knows them. Reading it is
 * synchronous and cheap (`topic`); `ensure` fills it, and `forget` says that it proved wrong, so
 * that the next `ensure` asks again. Answers count in the order of asking, not of arrival.
 *
 * Size: what is known, what is asked and who waits for it must agree.
 */
export class MetadataCache {
  readonly #brokers: Brokers
  readonly #addresses: BrokerAddresses
  readonly #clock: Clock
  readonly #backoff: Backoff
  readonly #maxAgeMs: number
  readonly #maxIdleMs: number
  readonly #unknownTopicRetries: number
  readonly #known = new Map<string, Known>()
  readonly #names = new Map<string, string>()
  readonly #compared = new WeakSet<object>()
  /** The requests that others may join, by what they ask. */
  readonly #inFlight = new Map<string, Asking>()
  #askedCount = 0
  #underWay = 0
  /**
   * The latest request that told of a topic, and the latest that was sent before it was forgotten;
   * kept while any request is under way.
   */
  readonly #told = new Map<string, number>()
  readonly #forgotten = new Map<string, number>()
  /** The latest request that told of all topics. */
  #toldAll = 0
  /** The time at which idle topics are looked for again. */
  #idleLookAt = 0

  constructor(brokers: Brokers, options: MetadataCacheOptions) {
    this.#brokers = brokers
    this.#addresses = addressesOf(brokers)
    this.#clock = options.clock
    this.#backoff = new Backoff(options.clock, options.random, options)
    this.#maxAgeMs = options.metadataMaxAgeMs ?? 300_000
    this.#maxIdleMs = options.metadataMaxIdleMs ?? 300_000
    this.#unknownTopicRetries = options.unknownTopicRetries ?? 4
  }

  /** The last known state of a topic, however old; undefined before an `ensure` found it. */
  topic(name: string): TopicMetadata | undefined {
    return this.#known.get(name)?.topic
  }

  /**
   * Marks a description of a topic as compared with the topic. Returns false where it was marked
   * before.
   */
  compareOnce(description: object): boolean {
    if (this.#compared.has(description)) return false
    this.#compared.add(description)
    return true
  }

  /** The name of the topic with this id, if it is known. */
  nameOf(topicId: string): string | undefined {
    return this.#names.get(topicId)
  }

  partition(topic: string, partition: number): PartitionMetadata | undefined {
    return this.#known.get(topic)?.topic.partitions[partition]
  }

  /** The broker that leads a partition, or undefined while it is not known. */
  leaderOf(topic: string, partition: number): Broker | undefined {
    const known = this.partition(topic, partition)
    return known && this.#brokers.byId(known.leaderId)
  }

  /**
   * Marks what is known of a topic as outdated. It can still be read; the next `ensure` asks again.
   */
  forget(topic: string): void {
    const known = this.#known.get(topic)
    if (known) this.#known.set(topic, { ...known, expiresAt: 0 })
    // A request under way was sent before: its answer may be as outdated as what is known.
    if (this.#underWay > 0) this.#forgotten.set(topic, this.#askedCount)
  }

  /**
   * Makes sure that these topics are known, with a leader for every partition; returns plainly when
   * they are. Rejects with a `KafkaError` that names the topic: UNKNOWN_TOPIC_OR_PARTITION,
   * INVALID_TOPIC_EXCEPTION, LEADER_NOT_AVAILABLE, … or REQUEST_TIMED_OUT.
   */
  ensure(topics: readonly string[], options: EnsureOptions = {}): MaybePromise<void> {
    const now = this.#clock.monotonic()
    for (const name of topics) {
      const known = this.#known.get(name)
      if (!known || known.expiresAt <= now) return this.refresh(topics, options)
    }
  }

  /** Asks for these topics, whatever is known already; fails like `ensure`. */
  async refresh(topics: readonly string[], options: EnsureOptions = {}): Promise<void> {
    let names = topics
    const attempt = async (signal: AbortSignal | undefined) => {
      const response = await this.#ask(names, options.allowAutoTopicCreation ?? true, signal)
      const failures = failuresIn(response, names)
      names = names.filter(name => failures.has(name))
      const failure = mostFinal([...failures.values()])
      if (failure) throw failure
    }
    const { unknownTopicRetries = this.#unknownTopicRetries } = options
    const again = (error: unknown, failures: number) =>
      isRetriable(error) && !((error as KafkaError).code === 'UNKNOWN_TOPIC_OR_PARTITION' && failures > unknownTopicRetries)
    await (options.retry === false ? attempt(options.signal) : this.#backoff.retry(attempt, options, again))
  }

  /** Asks for all topics of the cluster, and returns them. */
  async all(options: CallOptions & { readonly retry?: boolean } = {}): Promise<readonly TopicMetadata[]> {
    const ask = (signal: AbortSignal | undefined) => this.#ask(null, false, signal)
    const response = await (options.retry === false ? ask(options.signal) : this.#backoff.retry(ask, options))
    return response.topics.flatMap(({ name, errorCode }) => {
      const topic = errorCode === 0 && name !== null ? this.topic(name) : undefined
      return topic ? [topic] : []
    })
  }

  /**
   * One request; the same question asked twice at once goes out once, unless a topic in it was
   * forgotten in between.
   */
  async #ask(names: readonly string[] | null, allowAutoTopicCreation: boolean, signal?: AbortSignal): Promise<Response> {
    signal?.throwIfAborted()
    const question = names === null ? 'all' : JSON.stringify([allowAutoTopicCreation, ...names])
    let asking = this.#inFlight.get(question)
    if (!asking || this.#isOutdated(asking.number, names)) {
      const number = ++this.#askedCount
      const answer = this.#request(number, names, allowAutoTopicCreation).finally(() => {
        if (this.#inFlight.get(question)?.number === number) this.#inFlight.delete(question)
      })
      asking = { number, answer }
      this.#inFlight.set(question, asking)
    }
    return abortable(asking.answer, signal)
  }

  /** True if a topic that a request asked for has been forgotten since. */
  #isOutdated(number: number, names: readonly string[] | null): boolean {
    for (const name of names ?? this.#forgotten.keys()) if (number <= (this.#forgotten.get(name) ?? 0)) return true
    return false
  }

  async #request(number: number, names: readonly string[] | null, allowAutoTopicCreation: boolean): Promise<Response> {
    const topics = names?.map(name => ({ topicId: zeroUuid, name })) ?? null
    const question = this.#addresses.ask()
    this.#underWay++
    try {
      const response = await this.#brokers.any().request(Metadata, { topics, allowAutoTopicCreation })
      if (response.errorCode) throw KafkaError.fromNumber(response.errorCode)
      this.#addresses.told(question, response.brokers)
      this.#takeAll(response, number, names === null)
      return response
    } finally {
      this.#underWay--
      if (this.#underWay === 0) {
        this.#told.clear()
        this.#forgotten.clear()
      }
    }
  }

  #takeAll(response: Response, number: number, isAll: boolean): void {
    if (isAll) this.#dropAllBut(response, number)
    for (const topic of response.topics) {
      if (topic.name === null || this.#isTold(topic.name, number)) continue
      if (this.#underWay > 1) this.#told.set(topic.name, number)
      this.#take(topic, number)
    }
    this.#dropIdle()
  }

  /** Forgets topics that were due to be looked up again long ago: those in use have been. */
  #dropIdle(): void {
    const now = this.#clock.monotonic()
    if (now < this.#idleLookAt) return
    this.#idleLookAt = now + this.#maxIdleMs
    for (const [name, { toldAt }] of this.#known) if (toldAt + this.#maxAgeMs + this.#maxIdleMs <= now) this.#drop(name)
  }

  /** True if a request that was sent later has told of a topic. */
  #isTold(name: string, number: number): boolean {
    return number < Math.max(this.#told.get(name) ?? 0, this.#known.has(name) ? 0 : this.#toldAll)
  }

  #take({ errorCode, name, topicId = zeroUuid, isInternal = false, partitions }: Response['topics'][number], number: number): void {
    if (name === null) return
    if (errorCode === errorNumber('UNKNOWN_TOPIC_OR_PARTITION')) return this.#drop(name)
    if (errorCode !== 0) return
    const before = this.topic(name)
    const isSameTopic = before?.id === topicId
    if (before && !isSameTopic) this.#drop(name)
    const byNumber: PartitionMetadata[] = []
    const toldAt = this.#clock.monotonic()
    let expiresAt = this.#isOutdated(number, [name]) ? 0 : toldAt + this.#maxAgeMs
    for (const { partitionIndex, leaderId, leaderEpoch = -1 } of partitions) {
      const earlier = isSameTopic ? before.partitions[partitionIndex] : undefined
      const isOutdated = earlier !== undefined && leaderEpoch >= 0 && leaderEpoch < earlier.leaderEpoch
      if (isOutdated || leaderId < 0) expiresAt = 0
      byNumber[partitionIndex] = isOutdated ? earlier : { partition: partitionIndex, leaderId, leaderEpoch }
    }
    this.#known.set(name, { topic: { name, id: topicId, isInternal, partitions: byNumber }, toldAt, expiresAt })
    if (topicId !== zeroUuid) this.#names.set(topicId, name)
  }

  #dropAllBut(response: Response, number: number): void {
    const existing = new Set(response.topics.map(topic => topic.name))
    for (const name of this.#known.keys()) if (!existing.has(name) && !this.#isTold(name, number)) this.#drop(name)
    this.#toldAll = Math.max(this.#toldAll, number)
  }

  #drop(name: string): void {
    const known = this.#known.get(name)
    if (!known) return
    this.#known.delete(name)
    this.#names.delete(known.topic.id)
  }
}

/** The errors of the topics that were asked for, by name. */
function failuresIn(response: Response, names: readonly string[]): Map<string, KafkaError> {
  const failures = new Map<string, KafkaError>()
  const answered = new Map(response.topics.map(topic => [topic.name, topic]))
  for (const name of names) {
    const topic = answered.get(name)
    const unreachable = topic?.partitions.find(partition => partition.leaderId < 0)
    if (!topic) failures.set(name, new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', undefined, { topic: name }))
    else if (topic.errorCode !== 0)
      failures.set(name, KafkaError.fromNumber(topic.errorCode, messageFor(topic.errorCode, name), { topic: name }))
    else if (unreachable)
      failures.set(name, new KafkaError('LEADER_NOT_AVAILABLE', undefined, { topic: name, partition: unreachable.partitionIndex }))
  }
  return failures
}

function messageFor(errorCode: number, name: string): string | undefined {
  if (errorCode === errorNumber('UNKNOWN_TOPIC_OR_PARTITION')) return `There is no topic \`${name}\``
  if (errorCode === errorNumber('INVALID_TOPIC_EXCEPTION')) return `\`${name}\` is not a valid topic name, or may not be used this way`
  return undefined
}

/** An error that waiting cannot mend says more than one that it can. */
function mostFinal(failures: readonly KafkaError[]): KafkaError | undefined {
  return failures.find(failure => !failure.retriable) ?? failures[0]
}
