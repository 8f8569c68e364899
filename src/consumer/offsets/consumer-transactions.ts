import type { GroupConnection } from '../../client/group-connection.js'
import type { MetadataCache } from '../../client/metadata-cache.js'
import { type Backoff, type CallOptions, isRetriable } from '../../client/retry.js'
import type { HandedOutBatch, OffsetToCommit, TransactionalOffsets, TransactionIdentity } from '../../client/transactional-offsets.js'
import { firstToAbort } from '../../common/abort.js'
import { KafkaError } from '../../errors.js'
import { type AssignedPartition, type PendingCommit, partitionKey } from '../assigned-partition.js'
import { ConsumerBatch } from '../consumer-batch.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { GroupMember } from '../group/group-member.js'
import type { Reader } from '../loop/reader.js'
import { Runner } from '../run/runner.js'
import type { Assignment } from '../source/assignment.js'
import { type Committer, type Committing, nobody } from './committer.js'
import { expectOffsetToCommit, expectPartitions } from './given-offsets.js'
import { givenCommit, handedOut } from './group-commits.js'
import { TransactionalCommit } from './transactional-commit.js'

export interface ConsumerTransactionsParts {
  readonly settings: ConsumerSettings
  readonly coordinator: GroupConnection | undefined
  readonly committer: Committer | undefined
  readonly metadata: MetadataCache
  readonly backoff: Backoff
  readonly assignment: Assignment
  readonly member: () => GroupMember | undefined
  readonly reader: () => Reader | undefined
  /** Throws where the consumer takes no commits any more. */
  readonly expectCommits: () => void
  /** Aborts when closing begins. */
  readonly closing: AbortSignal
  /** Aborts when closing is over. */
  readonly ended: AbortSignal
  readonly onCommitted: (commits: readonly PendingCommit[]) => void
  /** Reading goes on elsewhere in some partitions. */
  readonly onWentBack: () => void
  readonly background: (task: Promise<unknown>) => void
}

type Given = OffsetToCommit | HandedOutBatch

/**
 * The part of a consumer in transactions of producers (KIP-447): offsets are committed with a
 * transaction, and reading goes back to the last committed ones when it is aborted. What was handed
 * out of a partition that has gone since may be in an open transaction, while whoever has the
 * partition now reads it again: the next commit is refused then.
 */
export class ConsumerTransactions {
  readonly #parts: ConsumerTransactionsParts
  /** Names of partitions that went when records of them were handed out and not committed. */
  readonly #lost = new Set<string>()

  constructor(parts: ConsumerTransactionsParts) {
    this.#parts = parts
  }

  /**
   * Begins its part in one transaction. `takesBack` is whether an abort takes back all partitions.
   */
  begin(takesBack: boolean): TransactionalOffsets {
    const { groupId, autoCommit } = this.#parts.settings
    if (groupId === undefined) throw new TypeError('Expected a consumer with a `groupId`, to commit its offsets in a transaction')
    if (autoCommit)
      throw new TypeError(
        'Expected a consumer with `autoCommit: false`, so that its offsets are committed in transactions and nowhere else'
      )
    return new OffsetsInOneTransaction(this.#parts, this.#lost, takesBack)
  }

  /** A partition has gone. */
  removed(partition: AssignedPartition): void {
    const { settings, closing } = this.#parts
    if (settings.groupId !== undefined && !settings.autoCommit && !closing.aborted && partition.isUncommitted)
      this.#lost.add(partition.name)
  }
}

class OffsetsInOneTransaction implements TransactionalOffsets {
  readonly #parts: ConsumerTransactionsParts
  readonly #lost: Set<string>
  /** By partition: the last commit in this transaction. */
  readonly #commits = new Map<string, PendingCommit>()
  /** Names of partitions of which a commit was refused, for they have gone. */
  readonly #refused = new Set<string>()
  /** True if it is about all that was handed out, as opposed to some offsets. */
  #isOfAll: boolean

  constructor(parts: ConsumerTransactionsParts, lost: Set<string>, takesBack: boolean) {
    this.#parts = parts
    this.#lost = lost
    this.#isOfAll = takesBack
  }

  get isLasting(): boolean {
    return this.#isOfAll
  }

  get isClosed(): boolean {
    return this.#parts.closing.aborted
  }

  async commit(identity: TransactionIdentity, given: readonly Given[] | undefined, limits: CallOptions): Promise<boolean> {
    const { coordinator, metadata, backoff, expectCommits, ended, member } = this.#parts
    expectCommits()
    const commits = given === undefined ? this.#handedOut() : this.#given(given)
    this.#expectNoneLost()
    if (commits.length === 0) return false
    const sent = member()?.committing() ?? nobody
    if (member() && sent.generationId < 0) throw noMember(commits[0])
    const limit = firstToAbort(limits.signal, ended)
    const owner = {
      onRefused: (error: KafkaError, by: Committing) => member()?.noteRefusal(error, by) ?? false,
      nextGeneration: async (by: Committing, signal?: AbortSignal) => {
        const next = await member()?.nextGeneration(by, signal)
        return next && commits.every(({ assigned }) => !assigned || this.#parts.assignment.has(assigned)) ? next : undefined
      }
    }
    try {
      const commit = new TransactionalCommit({ coordinator: coordinator as GroupConnection, metadata, owner }, identity, sent, commits)
      await backoff.retry(
        signal => commit.attempt(signal),
        { ...limits, signal: limit.signal },
        error => isRetriable(error) && !commit.isGone(error)
      )
      return true
    } finally {
      limit.end()
    }
  }

  ended(isCommitted: boolean | undefined): void {
    const { onCommitted, onWentBack } = this.#parts
    const commits = [...this.#commits.values()]
    this.#commits.clear()
    if (isCommitted) {
      if (commits.length > 0) onCommitted(commits)
      return
    }
    if (this.#isOfAll) this.#lost.clear()
    else for (const name of this.#refused) this.#lost.delete(name)
    const partitions = this.#partitionsOf(commits)
    if (isCommitted === undefined) return this.#resolve(partitions)
    let hasMoved = false
    for (const partition of partitions) hasMoved = partition.goBack() || hasMoved
    if (hasMoved) onWentBack()
  }

  /** All that was handed out, with what a loop has in hand. */
  #handedOut(): PendingCommit[] {
    const { assignment, reader } = this.#parts
    const current = reader()
    if (current instanceof Runner)
      throw new TypeError(
        'Expected `offsets` while the consumer is read by `run`, of which several handlers may be at work: ' +
          '`commitOffsets(consumer, [batch])`, or `[{ topic, partition, offset: record.offset + 1 }]`'
      )
    this.#isOfAll = true
    const commits = handedOut(current, assignment)
    for (const commit of commits) this.#commits.set(nameOf(commit), commit)
    for (const name of this.#lost) this.#refused.add(name)
    return commits
  }

  #given(given: readonly Given[]): PendingCommit[] {
    expectPartitions(given)
    const { assignment, member } = this.#parts
    const commits: PendingCommit[] = []
    for (const entry of given) {
      const isBatch = 'endOffset' in entry
      const { topic, partition } = entry
      const offset = isBatch ? { topic, partition, offset: entry.endOffset } : entry
      expectOffsetToCommit(offset)
      const assigned = isBatch ? ConsumerBatch.partitionOf(entry) : assignment.get(topic, partition)
      if (isBatch && !assigned) throw new TypeError('Expected `offsets` to be batches of a consumer, or { topic, partition, offset }')
      const name = partitionKey(topic, partition)
      // A member commits for its own partitions alone; a consumer with `assign` may commit whatever
      // it likes.
      const isGone = assigned ? !assignment.has(assigned) : member() !== undefined
      if (isGone || this.#lost.has(name)) this.#refused.add(name)
      if (isGone) continue
      commits.push(givenCommit(offset, assigned))
    }
    for (const commit of commits) this.#commits.set(nameOf(commit), commit)
    return commits
  }

  /** Throws where records of a partition that has gone may be in the transaction. */
  #expectNoneLost(): void {
    if (this.#refused.size === 0) return
    throw new KafkaError(
      'ILLEGAL_GENERATION',
      `${[...this.#refused].join(', ')} went to another member, or was given back, after records of it had been handed out and before they were committed; ` +
        'abort the transaction, and go on reading'
    )
  }

  #partitionsOf(commits: readonly PendingCommit[]): AssignedPartition[] {
    const { assignment } = this.#parts
    if (this.#isOfAll) return [...assignment]
    return commits.flatMap(({ assigned }) => (assigned && assignment.has(assigned) ? [assigned] : []))
  }

  /**
   * It is not known how the transaction ended: the group is asked, which answers once the
   * transaction is over.
   */
  #resolve(partitions: readonly AssignedPartition[]): void {
    const { committer, assignment, background, closing, onWentBack } = this.#parts
    const open = partitions.filter(partition => partition.isUncommitted)
    if (open.length === 0) return
    for (const partition of open) partition.holdUntilResolved()
    onWentBack()
    const jumps = open.map(partition => partition.jumps)
    const asked = committer?.committed(open, { signal: closing, timeoutMs: Number.POSITIVE_INFINITY })
    const resolved = asked?.then(committed => {
      for (const [index, partition] of open.entries())
        if (partition.jumps === jumps[index] && assignment.has(partition)) partition.resolveTo(committed.get(partition.name)?.offset)
      onWentBack()
    })
    if (resolved) background(resolved)
  }
}

function nameOf({ given }: PendingCommit): string {
  return partitionKey(given.topic, given.partition)
}

function noMember({ given: { topic, partition } }: PendingCommit): KafkaError {
  const message =
    'This consumer is no member of its group at present, so its partitions may belong to others: abort the transaction, and go on reading'
  return new KafkaError('ILLEGAL_GENERATION', message, { topic, partition })
}
