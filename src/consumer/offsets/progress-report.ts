import type { AssignedPartition } from '../assigned-partition.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { ReaderReports } from './reader-reports.js'

export interface ProgressReportOwner {
  /** True if partitions come from the group. */
  isMember(): boolean
  /** The id of that member at present. */
  memberId(): string
  /** Commits what was handled, in a moment. */
  commitSoon(): void
}

/**
 * Tells the node of this process what a consumer needs yet. In a group that is what is not
 * committed, as whoever takes a partition over starts there; without automatic commits only from
 * the first commit on, since there may never be one. Otherwise it is what has not been handled.
 */
export class ProgressReport {
  readonly #reports: ReaderReports | undefined
  readonly #settings: ConsumerSettings
  readonly #owner: ProgressReportOwner
  /** Partitions of which this consumer has committed an offset. */
  readonly #committing = new WeakSet<AssignedPartition>()

  constructor(reports: ReaderReports | undefined, settings: ConsumerSettings, owner: ProgressReportOwner) {
    this.#reports = reports
    this.#settings = settings
    this.#owner = owner
  }

  /** A partition has come; returns what to call when it goes. */
  added(assigned: AssignedPartition): (() => void) | undefined {
    const { clientId, groupId, autoCommit } = this.#settings
    const { topic, partition } = assigned
    return this.#reports?.reads(
      { clientId, groupId, isMember: this.#owner.isMember(), memberId: () => this.#owner.memberId() },
      {
        topic,
        partition,
        mark: () => this.#markOf(assigned),
        fetched: () => assigned.fetchOffset,
        handled: () => (autoCommit ? assigned.handled : this.#markOf(assigned)),
        commitSoon: () => {
          if (autoCommit && assigned.handled > assigned.committed) this.#owner.commitSoon()
        },
        watch: onMoved => {
          assigned.onProgress = onMoved
        },
        deleted: (topicId, highWatermark) => assigned.deleted(topicId, highWatermark)
      }
    )
  }

  /** An offset of this partition was committed. */
  commits(assigned: AssignedPartition): void {
    if (this.#reports) this.#committing.add(assigned)
  }

  /** Something was handled or committed. */
  moved(): void {
    this.#reports?.moved()
  }

  #markOf(assigned: AssignedPartition): number {
    const { groupId, autoCommit } = this.#settings
    const { committed, handled } = assigned
    const isByCommit = groupId !== undefined && (autoCommit ? committed >= 0 : this.#committing.has(assigned))
    return isByCommit ? Math.min(committed, handled) : handled
  }
}
