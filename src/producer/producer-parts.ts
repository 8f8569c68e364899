import type { MetadataCache } from '../client/metadata-cache.js'
import type { Clock } from '../common/clock.js'
import type { MemoryShare } from '../common/memory-shares.js'
import type { Random } from '../common/random.js'
import type { Brokers } from '../protocol/broker.js'

/** The parts that a producer is made of; `cluster.producer()` provides them. */
export interface ProducerParts {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly random: Random
  /** Shared knowledge of topics. Default: the producer's own. @internal */
  readonly metadata?: MetadataCache
  /**
   * The most memory that all producers of a cluster in this process hold together. Default: each
   * has its `bufferMemory`. @internal
   */
  readonly memory?: MemoryShare | undefined
  /**
   * The reason for which a node in this process holds batches of a partition back, if it does.
   * Default: there is none.
   */
  readonly heldBecause?: (topic: string, partition: number) => string | undefined
}
