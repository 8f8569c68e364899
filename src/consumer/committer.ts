import type { TopicPartition } from '../assignor/assignor.js'
import type { GroupCoordinator } from '../client/group-coordinator.js'
import type { MetadataCache } from '../client/metadata-cache.js'
import { type Backoff, type CallOptions, isRetriable } from '../client/retry.js'
import { KafkaError } from '../errors.js'
import { OffsetCommit } from '../protocol/messages/offset-commit.js'
import { OffsetFetch } from '../protocol/messages/offset-fetch.js'
import { partitionKey } from './assigned-partition.js'

/** An offset to commit: that of the next record to read. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
  /** Of the last record read; lets Kafka notice a log that was cut back. Default: -1, unknown. */
  readonly leaderEpoch?: number
  /** A note of up to 4096 bytes, kept with the offset. Default: empty. */
  readonly metadata?: string
}

/** An offset that a group has committed. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: number
  /** -1 when unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
}

/** In whose name offsets are committed: that of a member in its generation, or, outside of any generation, nobody's. */
export interface Committing {
  readonly memberId: string
  readonly generationId: number
  readonly groupInstanceId: string | null
}

export interface CommitterOwner {
  committing(): Committing
  /** The group answered a commit in a way that concerns the membership. `sent` is who asked. */
  onRefused(error: KafkaError, sent: Committing): void
  onCommitted(offsets: readonly OffsetToCommit[]): void
}

/** So many partitions are committed with one request. */
const mostAtOnce = 1000

/** Commits offsets to a group, one request after the other, and reads what has been committed. */
export class Committer {
  readonly #coordinator: GroupCoordinator
  readonly #metadata: MetadataCache
  readonly #backoff: Backoff
  readonly #owner: CommitterOwner
  #last: Promise<unknown> = Promise.resolve()

  constructor(coordinator: GroupCoordinator, metadata: MetadataCache, backoff: Backoff, owner: CommitterOwner) {
    this.#coordinator = coordinator
    this.#metadata = metadata
    this.#backoff = backoff
    this.#owner = owner
  }

  /** Waits for commits under way, then commits. Tries again while the coordinator moves or the group rebalances. */
  commit(offsets: readonly OffsetToCommit[], options: CallOptions = {}): Promise<void> {
    const committed = this.#last.then(async () => {
      for (let i = 0; i < offsets.length; i += mostAtOnce) {
        const some = offsets.slice(i, i + mostAtOnce)
        await this.#backoff.retry(signal => this.#attempt(some, signal), options, isWorthAnotherTry)
      }
    })
    this.#last = committed.catch(() => {})
    return committed
  }

  async #attempt(offsets: readonly OffsetToCommit[], signal?: AbortSignal): Promise<void> {
    const sent = this.#owner.committing()
    const topics = new Map<string, { name: string; topicId: string | undefined; partitions: PartitionToCommit[] }>()
    for (const { topic, partition, offset, leaderEpoch = -1, metadata = '' } of offsets) {
      if (!topics.has(topic)) topics.set(topic, { name: topic, topicId: this.#idOf(topic), partitions: [] })
      const entry = { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch, committedMetadata: metadata }
      topics.get(topic)?.partitions.push(entry)
    }
    const response = await this.#coordinator.ask(
      OffsetCommit,
      {
        groupId: this.#coordinator.groupId,
        generationIdOrMemberEpoch: sent.generationId,
        memberId: sent.memberId,
        groupInstanceId: sent.groupInstanceId,
        topics: [...topics.values()]
      },
      signal
    )
    for (const { name, topicId, partitions } of response.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        if (errorCode === 0) continue
        const error = KafkaError.fromNumber(errorCode, undefined, { topic: this.#nameOf(name, topicId), partition: partitionIndex })
        this.#coordinator.heed(error.code)
        this.#owner.onRefused(error, sent)
        throw error
      }
    }
    this.#owner.onCommitted(offsets)
  }

  /** What the group has committed of these partitions, those without a committed offset left out. */
  async committed(partitions: readonly TopicPartition[], options: CallOptions = {}): Promise<Map<string, CommittedOffset>> {
    if (partitions.length === 0) return new Map()
    return this.#backoff.retry(signal => this.#fetch(partitions, signal), options)
  }

  async #fetch(partitions: readonly TopicPartition[], signal?: AbortSignal): Promise<Map<string, CommittedOffset>> {
    const { groupId } = this.#coordinator
    const byTopic = new Map<string, number[]>()
    for (const { topic, partition } of partitions) {
      if (!byTopic.has(topic)) byTopic.set(topic, [])
      byTopic.get(topic)?.push(partition)
    }
    const topics = Array.from(byTopic, ([name, partitionIndexes]) => ({ name, topicId: this.#idOf(name), partitionIndexes }))
    // Before version 8 a request was about one group, named at the top.
    const request = { groupId, topics, groups: [{ groupId, topics }], requireStable: true }
    const response = await this.#coordinator.ask(OffsetFetch, request, signal)
    const group: OffsetsOfGroup = response.groups?.find(candidate => candidate.groupId === groupId) ?? response
    if (group.errorCode) throw this.#heeded(KafkaError.fromNumber(group.errorCode))
    const committed = new Map<string, CommittedOffset>()
    for (const { name, topicId, partitions: answers } of group.topics ?? []) {
      const topic = this.#nameOf(name, topicId)
      for (const { partitionIndex, committedOffset, committedLeaderEpoch = -1, metadata, errorCode } of answers) {
        if (errorCode !== 0) throw this.#heeded(KafkaError.fromNumber(errorCode, undefined, { topic, partition: partitionIndex }))
        if (committedOffset < 0) continue
        committed.set(partitionKey(topic, partitionIndex), {
          topic,
          partition: partitionIndex,
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata: metadata ?? ''
        })
      }
    }
    return committed
  }

  /** From version 10 on requests name topics by id, which brokers in process take too. */
  #idOf(topic: string): string | undefined {
    return this.#metadata.topic(topic)?.id
  }

  #nameOf(name: string | undefined, topicId: string | undefined): string {
    return name || (topicId && this.#metadata.nameOf(topicId)) || ''
  }

  #heeded(error: KafkaError): KafkaError {
    this.#coordinator.heed(error.code)
    return error
  }
}

/** What the newer and the older form of the answer have in common. */
interface OffsetsOfGroup {
  readonly errorCode?: number
  readonly topics?: readonly {
    readonly name?: string
    readonly topicId?: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      readonly committedOffset: number
      readonly committedLeaderEpoch?: number
      readonly metadata: string | null
      readonly errorCode: number
    }[]
  }[]
}

interface PartitionToCommit {
  partitionIndex: number
  committedOffset: number
  committedLeaderEpoch: number
  committedMetadata: string
}

/** Between joining and its assignment a member can commit nothing; that passes. */
function isWorthAnotherTry(error: unknown): boolean {
  return isRetriable(error) || (error instanceof KafkaError && error.code === 'REBALANCE_IN_PROGRESS')
}
