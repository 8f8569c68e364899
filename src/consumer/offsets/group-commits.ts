import type { OffsetToCommit } from '../../client/transactional-offsets.js'
import { firstToAbort } from '../../common/abort.js'
import type { AssignedPartition, PendingCommit } from '../assigned-partition.js'
import type { Emit } from '../consumer-troubles.js'
import type { Reader } from '../loop/reader.js'
import type { ReaderSlot } from '../loop/reader-slot.js'
import type { Assignment } from '../source/assignment.js'
import { commitsOf } from './auto-commit.js'
import type { CommitOptions, Committer } from './committer.js'
import type { ProgressReport } from './progress-report.js'

interface GroupCommitsParts {
  readonly assignment: Assignment
  readonly slot: ReaderSlot
  /** Undefined without a group: then nothing is committed. */
  readonly committer: Committer | undefined
  readonly report: () => ProgressReport
  readonly emit: Emit
  /** Aborts when the consumer has closed. */
  readonly ended: AbortSignal
}

/**
 * Commits offsets to the group of a consumer, and brings what is known of its partitions up to date
 * with it.
 */
export class GroupCommits {
  readonly #parts: GroupCommitsParts

  constructor(parts: GroupCommitsParts) {
    this.#parts = parts
  }

  /**
   * Commits what has been handled. The user counts what a loop has in hand, or was left at, as
   * handled too.
   */
  commitAll(options: CommitOptions): Promise<void> {
    const { slot, assignment } = this.#parts
    return this.commit(handedOut(slot.reader, assignment), options)
  }

  /**
   * Commits what the user says, which has the last word: the next automatic commit does not take it
   * back.
   */
  commitGiven(offsets: readonly OffsetToCommit[], options: CommitOptions): Promise<void> {
    const commits = offsets.map((given): PendingCommit => {
      const assigned = this.#parts.assignment.get(given.topic, given.partition)
      assigned?.handledByUser(given.offset)
      return givenCommit(given, assigned)
    })
    return this.commit(commits, options)
  }

  async commit(commits: readonly PendingCommit[], options: CommitOptions): Promise<void> {
    if (commits.length === 0) return
    const limit = firstToAbort(options.signal, this.#parts.ended)
    try {
      await this.#parts.committer?.commit(commits, { ...options, signal: limit.signal })
    } finally {
      limit.end()
    }
  }

  /** These offsets were committed. */
  committed(commits: readonly PendingCommit[]): void {
    for (const commit of commits) commit.assigned?.committedUpTo(commit)
    this.#tell(commits)
  }

  /** These offsets were committed with a transaction. */
  committedInTransaction(commits: readonly PendingCommit[]): void {
    for (const commit of commits) commit.assigned?.committedInTransaction(commit)
    this.#tell(commits)
  }

  #tell(commits: readonly PendingCommit[]): void {
    const report = this.#parts.report()
    for (const { assigned } of commits) if (assigned) report.commits(assigned)
    report.moved()
    this.#parts.emit('committed', { offsets: commits.map(({ given }) => given) })
  }
}

/** Commits of all that was handed out, with what the reader has in hand or was left at. */
export function handedOut(reader: Reader | undefined, assignment: Assignment): PendingCommit[] {
  if (reader) reader.acknowledge()
  else for (const partition of assignment) partition.handledByUserAll()
  return commitsOf(assignment)
}

/** A commit of an offset that the user gives, of a partition that need not be assigned. */
export function givenCommit(given: OffsetToCommit, assigned: AssignedPartition | undefined): PendingCommit {
  return assigned?.toCommit(given) ?? { given, topicId: undefined, assigned, handled: -1, jumps: -1 }
}
