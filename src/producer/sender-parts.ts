import type { MetadataCache } from '../client/metadata-cache.js'
import type { Clock } from '../common/clock.js'
import type { Random } from '../common/random.js'
import type { Brokers } from '../protocol/broker.js'
import type { Accumulator } from './accumulator.js'
import type { ProducerSettings } from './options.js'
import type { PartitionQueue } from './partition-queue.js'
import type { ProducerBatch } from './producer-batch.js'
import type { SequenceIdentity } from './producer-identity.js'

/** The callbacks of the sender. */
export interface SenderListener {
  onDelivered(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number): void
  onFailed(queue: PartitionQueue, batch: ProducerBatch, error: unknown): void
  onRetry(queue: PartitionQueue, batch: ProducerBatch, error: unknown, delayMs: number): void
  /** Memory has become free. */
  onReleased(): void
  /** Records are about to be sent; `now` is in milliseconds of the monotonic clock. */
  onTurn(now: number): void
}

/** The parts of a producer that sending needs. */
export interface SenderOptions {
  readonly settings: ProducerSettings
  readonly clock: Clock
  readonly random: Random
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly accumulator: Accumulator
  /** Under which batches get sequence numbers; absent where they get none. */
  readonly identity: SequenceIdentity | undefined
  readonly listener: SenderListener
}
