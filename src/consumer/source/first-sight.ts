import { type AssignedPartition, isSameTopic } from '../assigned-partition.js'

/** A topic as it is at one moment. */
export interface TopicAtSight {
  readonly topicId: string | undefined
  /** By partition: where it ends; undefined where that is not known. */
  readonly ends: readonly (number | undefined)[]
}

/**
 * The position to start at without a committed offset: an offset, the first record, or as
 * `autoOffsetReset` says.
 */
export type FirstOffset = number | 'beginning' | 'asConfigured'

/**
 * Remembers the topics of a consumer as they were when it subscribed to them or, where the cluster
 * is elsewhere, when it first looked them up. To a consumer that starts at the latest, everything
 * that has come since is new: records after the ends of then, partitions that were added, and
 * topics that were created, also under the name of one that was deleted.
 */
export class FirstSight {
  readonly #topics = new Map<string, TopicAtSight>()
  /** The positions of partitions that were deleted, by their names. */
  readonly #left = new Map<string, { readonly topicId: string | undefined; readonly offset: number }>()
  #isOver = false

  /** True if topics that are not remembered are new. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Forgets topics that are no longer read, and looks again at those that are new to the
   * subscription.
   */
  begin(isRead: (topic: string) => boolean): void {
    for (const name of [...this.#topics.keys()]) if (!isRead(name)) this.#topics.delete(name)
    this.#left.clear()
    this.#isOver = false
  }

  /** Remembers a topic, unless it has been seen before. */
  see(name: string, topic: TopicAtSight): void {
    if (!this.#topics.has(name)) this.#topics.set(name, topic)
  }

  end(): void {
    this.#isOver = true
  }

  firstOffsetOf({ name, topic, partition, topicId }: AssignedPartition): FirstOffset {
    const left = this.#left.get(name)
    if (left !== undefined && isSameTopic(left.topicId, topicId)) return left.offset
    const seen = this.#topics.get(topic)
    if (seen === undefined) return this.#isOver ? 'beginning' : 'asConfigured'
    if (!isSameTopic(seen.topicId, topicId) || partition >= seen.ends.length) return 'beginning'
    return seen.ends[partition] ?? 'asConfigured'
  }

  /**
   * A partition goes. If it comes back, and no offset is committed, reading goes on where it was.
   */
  leave({ name, topicId, handled }: AssignedPartition): void {
    if (handled >= 0) this.#left.set(name, { topicId, offset: handled })
  }
}
