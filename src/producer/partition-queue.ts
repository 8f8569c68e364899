import { zeroUuid } from '../common/uuid.js'
import type { KafkaError } from '../errors.js'
import type { ProducerBatch } from './producer-batch.js'

/**
 * The batches of one partition, in the order in which they must reach the log: at most one under way, then those that are closed, then the
 * one that is still open. A batch that has to be tried again goes back to the front, so nothing ever overtakes.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly closed: ProducerBatch[] = []
  open: ProducerBatch | undefined
  inFlight: ProducerBatch | undefined
  /** Time of the monotonic clock before which nothing is sent, after a failure. */
  retryAt = 0
  /** The node that failed last; another leader is tried without waiting. */
  failedLeader = -1
  /** Why the last try failed; undefined once one has succeeded. */
  lastError: KafkaError | undefined
  /** The id that the topic had when it was last tried. */
  topicId = zeroUuid
  /** Whether its batches go alone, because readers are behind: a broker that holds one would hold up all that travel with it. */
  isHeld = false
  /** Whether it stands in the list of those that the sender looks at next. */
  isListed = false

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  /** How many batches wait. */
  get length(): number {
    return this.closed.length + (this.open ? 1 : 0)
  }

  get isEmpty(): boolean {
    return !this.open && this.closed.length === 0
  }

  /** Nothing more joins the open batch. */
  closeOpen(): void {
    if (!this.open) return
    this.closed.push(this.open)
    this.open = undefined
  }

  /** All batches whose fate is not known. */
  *unsettled(): Iterable<ProducerBatch> {
    if (this.inFlight && !this.inFlight.isDone) yield this.inFlight
    yield* this.closed
    if (this.open) yield this.open
  }
}
