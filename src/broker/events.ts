import type { GroupEvent } from '../coordinator/group/group-event.js'
import type { CompactionReport } from '../log/compaction/compactor.js'

/** What a node tells about its life; none of it on the path of a record. */
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
    readonly logStartOffset: number
  }) => void
  /** A round of compaction is over in a partition. */
  compacted: (event: CompactionReport & { readonly topic: string; readonly partition: number }) => void
  /** Something failed that no response could carry in full. `during` says what the node was doing. */
  error: (event: { readonly error: unknown; readonly during: string }) => void
}
