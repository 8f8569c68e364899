import type { MetadataCache } from '../../client/metadata-cache.js'
import type { Backoff } from '../../client/retry.js'
import type { Clock } from '../../common/clock.js'
import type { KafkaError } from '../../errors.js'
import type { Brokers } from '../../protocol/broker.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { Assignment } from '../source/assignment.js'
import type { ReaderLag } from './reader-turn.js'

/**
 * Callbacks of the fetcher to the consumer. All calls are synchronous, on the path from the append
 * to the waiting loop.
 */
export interface FetcherOwner {
  /** A partition has something to hand out. */
  onFetched(partition: AssignedPartition): void
  /** The offset asked for is not, or no longer, in the log. */
  onOutOfRange(partition: AssignedPartition, logStartOffset: number): void
  /** The topic of this partition was deleted, and created anew with this id. */
  onRecreated(partition: AssignedPartition, topicId: string): void
  /** Reading this partition cannot go on. */
  onFailed(partition: AssignedPartition, error: KafkaError): void
  /** Something failed and is tried again. */
  onTrouble(error: unknown): void
}

/** The parts of a consumer that fetching needs. */
export interface FetcherContext {
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly clock: Clock
  readonly backoff: Backoff
  readonly assignment: Assignment
  readonly settings: ConsumerSettings
  readonly lag: ReaderLag
  /** Finds damage at an offset in the files of a node in this process. */
  readonly damageAt?: ((topic: string, partition: number, offset: number) => Promise<KafkaError | undefined>) | undefined
  /**
   * The end of what may be read of a partition of a node in this process; undefined for one
   * elsewhere.
   */
  readonly logEndOffset: (topic: string, partition: number) => number | undefined
}
