import type { MetadataCache } from '../../client/metadata-cache.js'
import type { Backoff } from '../../client/retry.js'
import type { Clock } from '../../common/clock.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { GroupMember } from '../group/group-member.js'
import type { GenerationInfo } from '../group/group-member-parts.js'
import type { Handover } from './handover.js'
import type { Selection } from './selection.js'
import type { ClusterNews } from './topic-watch.js'

/**
 * The source of a consumer's partitions: its group, all partitions of its topics, or the user's own
 * list.
 */
export interface PartitionSource {
  /** The membership in the group, where there is one. */
  readonly member?: GroupMember
  /** It has its place: no other source has partitions any more. */
  takePlace?(): void
  /** Begins to bring partitions. Called once, after it has taken its place. */
  start(): void
  /** The consumer has subscribed to other topics. */
  subscriptionChanged(): void
  /** Gives up all partitions, after a last commit that takes no longer than `timeoutMs`. */
  stop(timeoutMs: number | undefined, signal: AbortSignal): Promise<void>
}

export interface PartitionSourceContext {
  readonly settings: ConsumerSettings
  readonly clock: Clock
  readonly metadata: MetadataCache
  readonly backoff: Backoff
  readonly news: ClusterNews | undefined
  readonly handover: Handover
  readonly selection: Selection
}

export interface PartitionSourceEvents {
  onJoined(generation: GenerationInfo): void
  /** The source cannot go on. */
  onFatal(error: unknown): void
  /** Something failed and is tried again. */
  onTrouble(error: unknown): void
}
