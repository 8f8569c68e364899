import type { TopicPartition } from '../assignor/assignor.js'
import type { OffsetToCommit } from '../client/transactional-offsets.js'
import type { GenerationInfo } from './group/group-member-parts.js'
import type { RejectedRecord } from './rejection.js'

/** The events of a consumer. None is emitted per record, except for rejected records. */
export interface ConsumerEvents {
  /** The member took part in a rebalance of its group. */
  rebalanced: (event: GenerationInfo) => void
  /** These partitions are read from now on, and it is known from where. */
  assigned: (event: { readonly partitions: readonly TopicPartition[] }) => void
  /** These partitions were finished, committed and given up. */
  revoked: (event: { readonly partitions: readonly TopicPartition[] }) => void
  /** These partitions went to others, because the group took this member for dead. */
  lost: (event: { readonly partitions: readonly TopicPartition[] }) => void
  committed: (event: { readonly offsets: readonly OffsetToCommit[] }) => void
  /** A record could not be decoded, or is not valid. */
  rejected: (event: RejectedRecord) => void
  /** Reading starts where `autoOffsetReset` says. */
  offsetReset: (event: OffsetReset) => void
  /**
   * Records were removed before this consumer has read them. Where nobody listens, the process
   * warns once per topic.
   */
  recordsMissed: (event: RecordsMissed) => void
  /**
   * Something failed: what is fatal also ends the loop; the rest is tried again. Where nobody
   * listens, the process warns once of each.
   */
  error: (error: unknown) => void
  closed: () => void
}

/** Every event of a consumer, so that a misspelt one is told. */
export const consumerEvents: readonly string[] = Object.keys({
  rebalanced: true,
  assigned: true,
  revoked: true,
  lost: true,
  committed: true,
  rejected: true,
  offsetReset: true,
  recordsMissed: true,
  error: true,
  closed: true
} satisfies Record<keyof ConsumerEvents, true>)

export interface OffsetReset extends TopicPartition {
  /** The offset at which reading goes on. */
  readonly offset: number
  /**
   * `'noCommittedOffset'`: the group, or a consumer without one, starts here. `'outOfRange'`: the
   * offset is not, or no longer, in the log. `'topicRecreated'`: the topic was deleted and created
   * anew, so that offsets of the old one say nothing.
   */
  readonly reason: 'noCommittedOffset' | 'outOfRange' | 'topicRecreated'
}

/** Records that this consumer will not see. */
export interface RecordsMissed extends TopicPartition {
  /** The offset of the first record that was missed. */
  readonly from: number
  /**
   * The offset where reading goes on. When the reason is `'topicDeleted'`: in the topic that was
   * created anew, or -1 while there is none.
   */
  readonly to: number
  /**
   * The number of offsets that were passed over: as many records, unless some were compacted away
   * or belong to transactions.
   */
  readonly count: number
  /**
   * `'removed'`: the log starts later now, by retention, deletion of records or eviction, and
   * reading goes on where `autoOffsetReset` says. `'topicDeleted'`: the topic was deleted.
   */
  readonly reason: 'removed' | 'topicDeleted'
}

/** Missed records in words. */
export function missedText({ topic, partition, from, to, count, reason }: RecordsMissed): string {
  const why = reason === 'removed' ? 'were removed from the log' : 'went with their topic, which was deleted,'
  const then = to < 0 ? '' : `; reading goes on at ${to}`
  return `${count} records of ${topic}-${partition} ${why} before they were read: offset ${from} and on${then}`
}
