import type { Clock } from '../common/clock.js'
import type { Random } from '../common/random.js'
import type { ConfigValues } from '../metadata/broker-configs.js'
import type { Storage } from '../storage/storage.js'

export interface LocalBrokerOptions {
  /** The storage of logs and metadata. The broker does not close it. */
  readonly storage: Storage
  /** Default: the clock of the machine. */
  readonly clock?: Clock
  /** Default: chance that nobody can foretell. */
  readonly random?: Random
  /** Default: 0. */
  readonly nodeId?: number
  /**
   * Kafka's broker configs, by their dotted names (`num.partitions`, `log.retention.ms`, …).
   * Default: Kafka's defaults.
   */
  readonly configs?: ConfigValues
  /**
   * The most bytes that it may hold on behalf of records, as `ClusterOptions.maxMemoryBytes` says.
   * Default: an eighth of the machine's memory, at least 64 MiB and at most 1 GiB.
   */
  readonly maxMemoryBytes?: number
}
