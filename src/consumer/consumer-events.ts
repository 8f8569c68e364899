import type { TopicPartition } from '../assignor/assignor.js'
import type { OffsetToCommit } from './assigned-partition.js'
import type { GenerationInfo } from './group-member.js'
import type { RejectedRecord } from './rejection.js'

/** What a consumer tells about its life; none of it on the path of a record, except for records that are rejected. */
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
  /** Something failed: what is fatal also ends the loop; the rest is tried again. */
  error: (error: unknown) => void
  closed: () => void
}

export interface OffsetReset extends TopicPartition {
  readonly offset: number
  readonly reason: 'noCommittedOffset' | 'outOfRange'
}
