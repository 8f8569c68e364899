import type { MetadataCache } from '../client/metadata-cache.js'
import type { Clock } from '../common/clock.js'
import type { Random } from '../common/random.js'
import type { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import type { Emit } from './consumer-troubles.js'
import type { ReaderReports } from './offsets/reader-reports.js'
import type { ClusterNews } from './source/topic-watch.js'

/** The parts that a consumer is made of; `cluster.consumer()` provides them. */
export interface ConsumerParts {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly random: Random
  /** Shared knowledge of topics. Default: the consumer's own. @internal */
  readonly metadata?: MetadataCache
  /** News from a node in this process. Default: none. */
  readonly news?: ClusterNews
  /** Finds damage at an offset in the files of a node in this process. Default: none is found. */
  readonly damageAt?: (topic: string, partition: number, offset: number) => Promise<KafkaError | undefined>
  /** The node in this process that is told how far its readers are. Default: none. @internal */
  readonly readers?: ReaderReports
}

/** The consumer, as users see it. */
export interface ConsumptionOwner {
  readonly consumer: object
  readonly emit: Emit
  /** Code of the user's, which is named, threw or rejected. */
  readonly onUserError: (error: unknown, who: string) => void
}
