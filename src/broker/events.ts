import type { GroupEvent } from '../coordinator/group/group-event.js'
import type { KafkaError } from '../errors.js'
import type { CompactionReport } from '../log/compaction/compactor.js'
import type { RemovalReason } from '../log/log-types.js'
import type { TornTail } from '../log/recovery/recovery.js'

/**
 * The events of a node; none is emitted per record. Those that must not go unnoticed (`tornTail`,
 * `partitionStopped`, `straySetAside`, `fenced`, `error`) becomes a warning of the process where
 * nobody listens.
 */
export interface BrokerEvents {
  topicCreated: (event: { readonly topic: string; readonly topicId: string; readonly partitions: number }) => void
  partitionsAdded: (event: { readonly topic: string; readonly partitions: number }) => void
  topicConfigured: (event: { readonly topic: string; readonly configs: ReadonlyMap<string, string> }) => void
  topicDeleted: (event: { readonly topic: string; readonly topicId: string }) => void
  /** Something happened in the life of a group; its `type` says what. */
  group: (event: GroupEvent) => void
  /** Retention removed the oldest segments of a partition. */
  segmentsRemoved: (event: {
    readonly topic: string
    readonly partition: number
    readonly segments: number
    readonly reason: RemovalReason
    readonly logStartOffset: number
  }) => void
  /**
   * Retention removed records that a reader had yet to read: a live one, or a group that has
   * committed an offset before them.
   */
  recordsLost: (event: RecordsLost) => void
  /**
   * Records of a topic will be removed for their age, for the first time, and no group has read
   * them, or nobody has chosen how long they are kept. Told about a day, or a seventh of their
   * time, before. `topic(name, { keep: 'forever' })` keeps them.
   */
  recordsExpiring: (event: {
    readonly topic: string
    readonly partition: number
    /** The number of records that go first. */
    readonly records: number
    /** The time of that, in milliseconds since 1970. */
    readonly at: number
    readonly retentionMs: number
    /** True if a group, or a live reader, has read them. */
    readonly isRead: boolean
  }) => void
  /**
   * The offsets that a group has committed will expire, as nobody has used the group for a while.
   * Told about a day before.
   */
  offsetsExpiring: (event: {
    readonly groupId: string
    readonly topics: readonly string[]
    /** The time of that, in milliseconds since 1970. */
    readonly at: number
  }) => void
  /** A round of compaction is over in a partition. */
  compacted: (event: CompactionReport & { readonly topic: string; readonly partition: number }) => void
  /**
   * After a crash, the batches of a partition that could have been damaged were checked. Events of
   * the opening are told a moment after it.
   */
  logRecovered: (event: {
    readonly topic: string
    readonly partition: number
    /** The number of batches that were checked. */
    readonly batches: number
    readonly logEndOffset: number
  }) => void
  /**
   * A crash had left something unfinished at the end of a partition, which was taken away: what,
   * where and why.
   */
  tornTail: (event: TornTail & { readonly topic: string; readonly partition: number }) => void
  /**
   * A partition is damaged and answers KAFKA_STORAGE_ERROR; its bytes are kept. The error names the
   * file and the position.
   */
  partitionStopped: (event: { readonly topic: string; readonly partition: number; readonly error: KafkaError }) => void
  /** A folder that belongs to no known partition was renamed to this. */
  straySetAside: (event: { readonly folder: string }) => void
  /**
   * Another owner has taken the storage over; the error says who. Nothing is written or
   * acknowledged any more, and every request is refused with this error. Close the cluster.
   */
  fenced: (event: { readonly error: KafkaError }) => void
  /**
   * Something failed that no response could carry in full. `during` says what the node was doing.
   */
  error: (event: { readonly error: unknown; readonly during: string }) => void
}

/** Records that were removed before a reader had read them. */
export interface RecordsLost {
  readonly topic: string
  readonly partition: number
  /**
   * The group that had yet to read them; undefined for a reader without a group, and where nobody
   * has read the partition yet.
   */
  readonly groupId: string | undefined
  /** The name of the reader, in words. */
  readonly reader: string
  /** The number of offsets from `from` up to `to`. */
  readonly records: number
  readonly from: number
  readonly to: number
  /**
   * The reason for the removal: for their size (`retention.bytes`, or the memory of the cluster),
   * or for their age (`retention.ms`).
   */
  readonly reason: 'size' | 'time'
}
