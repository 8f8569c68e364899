import type { TopicPartition } from '../../assignor/assignor.js'
import type { GroupConnection } from '../../client/group-connection.js'
import type { MetadataCache } from '../../client/metadata-cache.js'
import { type Backoff, type CallOptions, isRetriable } from '../../client/retry.js'
import { grouped } from '../../common/grouped.js'
import { KafkaError } from '../../errors.js'
import type { RequestOf } from '../../protocol/message.js'
import { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.js'
import { type AssignedPartition, type PendingCommit, partitionKey } from '../assigned-partition.js'
import { concernsMembership, isGone, isUnknownTopic, lookUpUnknown } from './refusals.js'

/** An offset that a group has committed. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: number
  /** -1 when unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
}

/**
 * In whose name offsets are committed: that of a member in its generation, or, outside of any
 * generation, nobody's.
 */
export interface Committing {
  readonly memberId: string
  readonly generationId: number
  readonly groupInstanceId: string | null
}

/** Outside of any generation. */
export const nobody: Committing = { memberId: '', generationId: -1, groupInstanceId: null }

export interface CommitterOwner {
  committing(): Committing
  /**
   * The group refused a commit of the one who was `sent`. Returns whether it may be sent again in
   * the generation to come.
   */
  onRefused(error: KafkaError, sent: Committing): boolean
  /**
   * Resolves with the generation that follows the one that was `sent`; undefined when the
   * membership is lost.
   */
  nextGeneration(sent: Committing, signal?: AbortSignal): Promise<Committing | undefined>
  isAssigned(partition: AssignedPartition): boolean
  onCommitted(commits: readonly PendingCommit[]): void
}

export interface CommitOptions extends CallOptions {
  /**
   * The rebalance waits for this commit, so the commit does not wait for the end of the rebalance.
   * Default: `false`.
   */
  readonly isInRebalance?: boolean
}

/** The most partitions that one request commits. */
export const mostAtOnce = 1000

/** Commits offsets to a group, one request after the other, and reads what has been committed. */
export class Committer {
  readonly #coordinator: GroupConnection
  readonly #metadata: MetadataCache
  readonly #backoff: Backoff
  readonly #owner: CommitterOwner
  #last: Promise<unknown> = Promise.resolve()
  #calls = 0
  /** By partition: the latest call of which the group has taken a commit. */
  readonly #taken = new Map<string, number>()

  constructor(coordinator: GroupConnection, metadata: MetadataCache, backoff: Backoff, owner: CommitterOwner) {
    this.#coordinator = coordinator
    this.#metadata = metadata
    this.#backoff = backoff
    this.#owner = owner
  }

  /**
   * Commits in the generation of this call, also when it has to try again while the coordinator
   * moves. When the group has moved on to another generation, only what this consumer has kept is
   * committed in that. A partition that does not exist is given up; the others are committed all
   * the same. Rejects with the first error that no further try could mend.
   */
  async commit(commits: readonly PendingCommit[], options: CommitOptions = {}): Promise<void> {
    const sent = this.#owner.committing()
    const call = ++this.#calls
    const known = commits.map(commit => (commit.topicId === undefined ? { ...commit, topicId: this.#idOf(commit.given.topic) } : commit))
    let failure: KafkaError | undefined
    for (let i = 0; i < known.length; i += mostAtOnce) {
      const round = new CommitRound(known.slice(i, i + mostAtOnce), sent, call)
      const attempt = (signal: AbortSignal | undefined) => this.#inTurn(() => this.#attempt(round, options.isInRebalance ?? false, signal))
      await this.#backoff.retry(attempt, options)
      failure ??= round.failure
    }
    if (failure) throw failure
  }

  /** One request after the other, so that a later call is not overtaken by an earlier one. */
  #inTurn(attempt: () => Promise<(() => Promise<void>) | undefined>): Promise<void> {
    const settled = this.#last.then(attempt)
    this.#last = settled.catch(() => {})
    return settled.then(wait => wait?.())
  }

  /**
   * One request. Returns a wait, for which later calls need not stand in line, when the rest may be
   * sent in another generation.
   */
  async #attempt(round: CommitRound, isInRebalance: boolean, signal?: AbortSignal): Promise<(() => Promise<void>) | undefined> {
    round.drop(({ given }) => (this.#taken.get(nameOf(given)) ?? 0) > round.call)
    if (round.open.length === 0) return
    const response = await this.#coordinator.ask(OffsetCommit, this.#request(round), signal)
    const errors = new Map<string, KafkaError>()
    const answered = new Set<string>()
    for (const { name, topicId, partitions } of response.topics) {
      const topic = name || round.nameOf(topicId)
      for (const { partitionIndex: partition, errorCode } of partitions) {
        const key = partitionKey(topic, partition)
        answered.add(key)
        if (errorCode !== 0) errors.set(key, KafkaError.fromNumber(errorCode, undefined, { topic, partition }))
      }
    }
    for (const { given } of round.drop(commit => !answered.has(nameOf(commit.given)))) {
      const { topic, partition } = given
      round.failure ??= new KafkaError('UNKNOWN_SERVER_ERROR', 'The coordinator did not answer for this partition', { topic, partition })
    }
    const taken = round.drop(({ given }) => !errors.has(nameOf(given)))
    for (const { given } of taken) this.#taken.set(nameOf(given), round.call)
    if (taken.length > 0) this.#owner.onCommitted(taken)
    const refusals = [...errors.values()]
    if (refusals.length === 0) return
    for (const code of new Set(refusals.map(({ code }) => code))) this.#coordinator.noteError(code)
    const expelled = refusals.find(({ code }) => concernsMembership.has(code))
    if (expelled !== undefined) return this.#onRefused(round, expelled, isInRebalance, signal)
    await lookUpUnknown(refusals, this.#metadata, signal)
    for (const error of refusals) if (!error.retriable || isGone(error, round.open, this.#metadata)) round.fail(error)
    const retriable = refusals.find(error => round.isOpen(error))
    if (retriable !== undefined) throw retriable
  }

  #onRefused(round: CommitRound, error: KafkaError, isInRebalance: boolean, signal?: AbortSignal): () => Promise<void> {
    const { sent } = round
    if (!this.#owner.onRefused(error, sent) || isInRebalance) throw error
    return async () => {
      const next = await this.#owner.nextGeneration(sent, signal)
      if (next === undefined) throw error
      round.sent = next
      for (const { given } of round.drop(({ assigned }) => assigned !== undefined && !this.#owner.isAssigned(assigned))) {
        const { topic, partition } = given
        round.failure ??= new KafkaError(error.code, `${topic}-${partition} has gone to another member`, { topic, partition })
      }
      await this.#inTurn(() => this.#attempt(round, isInRebalance, signal))
    }
  }

  #request({ open, sent }: CommitRound): RequestOf<typeof OffsetCommit> {
    const byTopic = grouped(open, ({ given, topicId }) => `${topicId}/${given.topic}`)
    const topics = Array.from(byTopic.values(), ofTopic => {
      const [{ given, topicId }] = ofTopic
      return { name: given.topic, topicId, partitions: ofTopic.map(partitionToCommit) }
    })
    return {
      groupId: this.#coordinator.groupId,
      generationIdOrMemberEpoch: sent.generationId,
      memberId: sent.memberId,
      groupInstanceId: sent.groupInstanceId,
      topics
    }
  }

  /** The committed offsets of these partitions, those without one left out. */
  async committed(partitions: readonly TopicPartition[], options: CallOptions = {}): Promise<Map<string, CommittedOffset>> {
    if (partitions.length === 0) return new Map()
    const again = (error: unknown) => isRetriable(error) && !isUnknownTopic(error as KafkaError)
    return this.#backoff.retry(signal => this.#fetch(partitions, signal), options, again)
  }

  async #fetch(partitions: readonly TopicPartition[], signal?: AbortSignal): Promise<Map<string, CommittedOffset>> {
    const { groupId } = this.#coordinator
    const byTopic = grouped(partitions, ({ topic }) => topic)
    const topics = Array.from(byTopic, ([name, ofTopic]) => {
      return { name, topicId: this.#idOf(name), partitionIndexes: ofTopic.map(({ partition }) => partition) }
    })
    const nameOf = (topicId: string | undefined) => topics.find(topic => topic.topicId === topicId)?.name ?? ''
    // Before version 8 a request was about one group, named at the top.
    const request = { groupId, topics, groups: [{ groupId, topics }], requireStable: true }
    const response = await this.#coordinator.ask(OffsetFetch, request, signal)
    const group: OffsetsOfGroup = response.groups?.find(candidate => candidate.groupId === groupId) ?? response
    if (group.errorCode) throw this.#noted(KafkaError.fromNumber(group.errorCode))
    const committed = new Map<string, CommittedOffset>()
    for (const { name, topicId, partitions: answers } of group.topics ?? []) {
      const topic = name || nameOf(topicId)
      for (const { partitionIndex, committedOffset, committedLeaderEpoch = -1, metadata, errorCode } of answers) {
        if (errorCode !== 0) throw this.#noted(KafkaError.fromNumber(errorCode, undefined, { topic, partition: partitionIndex }))
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

  /** From version 10 on requests name topics by id alone, which brokers in process take too. */
  #idOf(topic: string): string | undefined {
    return this.#metadata.topic(topic)?.id
  }

  #noted(error: KafkaError): KafkaError {
    this.#coordinator.noteError(error.code)
    return error
  }
}

/** The part that the newer and the older form of the answer share. */
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

/** The rest of the offsets of one commit call, or of a part of it. */
class CommitRound {
  /** Counts the calls. */
  readonly call: number
  open: readonly PendingCommit[]
  sent: Committing
  /** The first error that no further try could mend. */
  failure: KafkaError | undefined

  constructor(commits: readonly PendingCommit[], sent: Committing, call: number) {
    this.open = commits
    this.sent = sent
    this.call = call
  }

  /** Takes some out, and returns them. */
  drop(isDone: (commit: PendingCommit) => boolean): PendingCommit[] {
    const dropped: PendingCommit[] = []
    const left: PendingCommit[] = []
    for (const commit of this.open) (isDone(commit) ? dropped : left).push(commit)
    this.open = left
    return dropped
  }

  /** The name of a topic that was asked for by its id. */
  nameOf(topicId: string | undefined): string {
    return this.open.find(commit => commit.topicId === topicId)?.given.topic ?? ''
  }

  fail(error: KafkaError): void {
    this.failure ??= error
    this.drop(({ given }) => given.topic === error.topic && given.partition === error.partition)
  }

  isOpen({ topic, partition }: KafkaError): boolean {
    return this.open.some(({ given }) => given.topic === topic && given.partition === partition)
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}

/** The entry of a commit in a request, in a transaction or not. */
export function partitionToCommit({ given: { partition, offset, leaderEpoch = -1, metadata = '' } }: PendingCommit) {
  return { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch, committedMetadata: metadata }
}
