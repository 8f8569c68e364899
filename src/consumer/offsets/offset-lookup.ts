import type { TopicPartition } from '../../assignor/assignor.js'
import type { MetadataCache } from '../../client/metadata-cache.js'
import { type Backoff, type CallOptions, isRetriable } from '../../client/retry.js'
import { isPromise } from '../../common/deferred.js'
import { grouped } from '../../common/grouped.js'
import { KafkaError } from '../../errors.js'
import type { Broker } from '../../protocol/broker.js'
import { ListOffsets } from '../../protocol/messages/list-offsets.js'
import { partitionKey } from '../assigned-partition.js'

/** Times that mean a place in the log. */
export const latest = -1
export const earliest = -2

export interface OffsetQuery extends TopicPartition {
  /** Milliseconds since 1970, `latest` or `earliest`. */
  readonly timestamp: number
}

export interface FoundOffset extends TopicPartition {
  /** -1 when no record is as late as the time asked for. */
  readonly offset: number
  /** Of the record at that offset; -1 where only a place was asked for. */
  readonly timestamp: number
}

/** Asks the leaders of partitions where their logs start, end, or reach a time. */
export class OffsetLookup {
  readonly #metadata: MetadataCache
  readonly #backoff: Backoff
  readonly #isolationLevel: number

  constructor(metadata: MetadataCache, backoff: Backoff, isolationLevel: number) {
    this.#metadata = metadata
    this.#backoff = backoff
    this.#isolationLevel = isolationLevel
  }

  /**
   * One answer per question, in order. Tries again while leaders move; rejects with a `KafkaError`
   * that names the partition.
   */
  async find(queries: readonly OffsetQuery[], options: CallOptions = {}): Promise<FoundOffset[]> {
    const found = new Map<string, FoundOffset>()
    await this.#backoff.retry(async signal => {
      const missing = queries.filter(({ topic, partition }) => !found.has(partitionKey(topic, partition)))
      await this.#ask(missing, found, signal)
    }, options)
    return queries.map(({ topic, partition }) => found.get(partitionKey(topic, partition)) as FoundOffset)
  }

  async #ask(queries: readonly OffsetQuery[], found: Map<string, FoundOffset>, signal?: AbortSignal): Promise<void> {
    const known = this.#metadata.ensure([...new Set(queries.map(({ topic }) => topic))], { allowAutoTopicCreation: false, signal })
    if (isPromise(known)) await known
    const byLeader = grouped(queries, query => {
      const leader = this.#metadata.leaderOf(query.topic, query.partition)
      if (leader === undefined) throw this.#unknown(query)
      return leader
    })
    const errors: unknown[] = []
    await Promise.all(Array.from(byLeader, ([leader, of]) => this.#askLeader(leader, of, found, signal).catch(error => errors.push(error))))
    const error = errors.find(candidate => !isRetriable(candidate)) ?? errors[0]
    if (error === undefined) return
    for (const { topic } of queries) this.#metadata.forget(topic)
    throw error
  }

  #unknown({ topic, partition }: OffsetQuery): KafkaError {
    const code = this.#metadata.partition(topic, partition) === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'LEADER_NOT_AVAILABLE'
    this.#metadata.forget(topic)
    return new KafkaError(code, undefined, { topic, partition })
  }

  async #askLeader(leader: Broker, queries: readonly OffsetQuery[], found: Map<string, FoundOffset>, signal?: AbortSignal): Promise<void> {
    const byTopic = grouped(queries, ({ topic }) => topic)
    const response = await leader.request(
      ListOffsets,
      {
        replicaId: -1,
        isolationLevel: this.#isolationLevel,
        topics: Array.from(byTopic, ([name, ofTopic]) => ({
          name,
          partitions: ofTopic.map(({ partition, timestamp }) => ({ partitionIndex: partition, timestamp }))
        }))
      },
      signal
    )
    const errors: KafkaError[] = []
    for (const { name: topic, partitions } of response.topics) {
      for (const { partitionIndex: partition, errorCode, offset = -1, timestamp = -1 } of partitions) {
        if (errorCode !== 0) errors.push(KafkaError.fromNumber(errorCode, undefined, { topic, partition }))
        else found.set(partitionKey(topic, partition), { topic, partition, offset, timestamp })
      }
    }
    const error = errors.find(({ retriable }) => !retriable) ?? errors[0]
    if (error) throw error
  }
}
