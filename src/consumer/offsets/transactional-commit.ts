import type { GroupConnection } from '../../client/group-connection.js'
import type { MetadataCache } from '../../client/metadata-cache.js'
import type { TransactionIdentity } from '../../client/transactional-offsets.js'
import { grouped } from '../../common/grouped.js'
import { KafkaError } from '../../errors.js'
import type { RequestOf } from '../../protocol/message.js'
import { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.js'
import { isSameTopic, type PendingCommit, partitionKey } from '../assigned-partition.js'
import { type Committing, mostAtOnce, partitionToCommit } from './committer.js'
import { concernsMembership, isGone, lookUpUnknown } from './refusals.js'

export interface TransactionalCommitParts {
  readonly coordinator: GroupConnection
  readonly metadata: MetadataCache
  readonly owner: {
    /**
     * The group refused the commit. Returns whether it may be sent again in the generation to come.
     */
    onRefused(error: KafkaError, sent: Committing): boolean
    /** Resolves with the generation that follows, if all partitions have stayed here. */
    nextGeneration(sent: Committing, signal?: AbortSignal): Promise<Committing | undefined>
  }
}

/** Offsets on their way into a transaction. */
export class TransactionalCommit {
  readonly #parts: TransactionalCommitParts
  readonly #identity: TransactionIdentity
  #sent: Committing
  /** Commits that the group has yet to take. */
  #open: readonly PendingCommit[]

  constructor(parts: TransactionalCommitParts, identity: TransactionIdentity, sent: Committing, commits: readonly PendingCommit[]) {
    this.#parts = parts
    this.#identity = identity
    this.#sent = sent
    this.#open = commits
  }

  /** Sends what is open. Rejects with what the group has refused it for. */
  async attempt(signal?: AbortSignal): Promise<void> {
    while (this.#open.length > 0) {
      const errors = await this.#send(this.#open.slice(0, mostAtOnce), signal)
      if (errors.length === 0) continue
      const refused = errors.find(({ code }) => concernsMembership.has(code))
      if (!refused) throw await this.#worst(errors, signal)
      if (!this.#parts.owner.onRefused(refused, this.#sent)) throw refused
      const next = await this.#parts.owner.nextGeneration(this.#sent, signal)
      if (!next) throw refused
      this.#sent = next
    }
  }

  /**
   * True for the error of a topic or partition that is not there any more, which no other try
   * mends.
   */
  isGone(error: unknown): boolean {
    return isGone(error, this.#open, this.#parts.metadata)
  }

  async #send(commits: readonly PendingCommit[], signal?: AbortSignal): Promise<KafkaError[]> {
    const { coordinator, metadata } = this.#parts
    for (const { given, topicId } of commits)
      if (!isSameTopic(topicId, metadata.topic(given.topic)?.id)) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', undefined, given)
    const response = await coordinator.ask(TxnOffsetCommit, this.#request(commits), signal)
    const codes = new Map<string, number>()
    for (const { name, partitions } of response.topics)
      for (const { partitionIndex, errorCode } of partitions) codes.set(partitionKey(name, partitionIndex), errorCode)
    const errors: KafkaError[] = []
    const taken = new Set<PendingCommit>()
    for (const commit of commits) {
      const { topic, partition } = commit.given
      const errorCode = codes.get(partitionKey(topic, partition)) ?? -1
      if (errorCode === 0) taken.add(commit)
      else errors.push(KafkaError.fromNumber(errorCode, undefined, { topic, partition }))
    }
    this.#open = this.#open.filter(commit => !taken.has(commit))
    for (const { code } of errors) coordinator.noteError(code)
    return errors
  }

  /** The error that counts: one that no other try mends, if there is one. */
  async #worst(errors: readonly KafkaError[], signal?: AbortSignal): Promise<KafkaError> {
    await lookUpUnknown(errors, this.#parts.metadata, signal)
    return errors.find(error => this.isGone(error) || !error.retriable) ?? errors[0]
  }

  #request(commits: readonly PendingCommit[]): RequestOf<typeof TxnOffsetCommit> {
    const { memberId, generationId, groupInstanceId } = this.#sent
    const byTopic = grouped(commits, ({ given }) => given.topic)
    const topics = Array.from(byTopic, ([name, ofTopic]) => ({ name, partitions: ofTopic.map(partitionToCommit) }))
    return { ...this.#identity, groupId: this.#parts.coordinator.groupId, memberId, generationId, groupInstanceId, topics }
  }
}
