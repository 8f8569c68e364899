import { assert } from '../common/assert.js'
import { zeroUuid } from '../common/uuid.js'
import type { KafkaError } from '../errors.js'
import type { ProducerBatch } from './producer-batch.js'

/** Batches of a partition that may be under way at a time. */
const mostInFlight = 1

/**
 * The batches of one partition, in the order in which they must reach the log:
 *     queue := inFlight*, closed*, open?
 * The accumulator fills, drains and puts back; the sender says what became of the tries. A batch that is put back goes before all that were opened after it,
 * so nothing overtakes.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** Those that a call holds which has not been answered or given up, oldest first. */
  readonly #inFlight: ProducerBatch[] = []
  readonly #closed: ProducerBatch[] = []
  #open: ProducerBatch | undefined
  /** How many batches have been opened. */
  #openedCount = 0
  #retryAt = 0
  #failedLeader = -1
  #lastError: KafkaError | undefined
  #topicId = zeroUuid
  #isHeld = false
  #isListed = false

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  /** The batch that records are appended to. */
  get open(): ProducerBatch | undefined {
    return this.#open
  }

  /** How many batches wait. */
  get length(): number {
    return this.#closed.length + (this.#open ? 1 : 0)
  }

  get hasClosed(): boolean {
    return this.#closed.length > 0
  }

  /** Whether a batch waits that may go once its time has come: as many as are allowed at a time are not under way. */
  get canSend(): boolean {
    return this.#inFlight.length < mostInFlight && (this.#open !== undefined || this.#closed.length > 0)
  }

  /** The batch that all others wait for. An open one does not count: nothing holds it up yet. */
  get first(): ProducerBatch | undefined {
    return this.#inFlight[0] ?? this.#closed[0]
  }

  /** Time of the monotonic clock before which nothing is sent, after a failure. */
  get retryAt(): number {
    return this.#retryAt
  }

  /** The node that failed last; another leader is tried without waiting. */
  get failedLeader(): number {
    return this.#failedLeader
  }

  /** Why the last try failed; undefined once one has succeeded. */
  get lastError(): KafkaError | undefined {
    return this.#lastError
  }

  /** The id that the topic had when a batch was last drained. */
  get topicId(): string {
    return this.#topicId
  }

  /** Whether its batches go alone, because readers are behind: a broker that holds one would hold up all that travel with it. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Whether a call that has not been answered or given up holds the batch. */
  isInFlight(batch: ProducerBatch): boolean {
    return this.#inFlight.includes(batch)
  }

  /** All batches whose fate is not known. */
  *unsettled(): Iterable<ProducerBatch> {
    for (const batch of this.#inFlight) if (!batch.isDone) yield batch
    yield* this.#closed
    if (this.#open) yield this.#open
  }

  /** Makes an empty batch the one that records are appended to. */
  begin(batch: ProducerBatch, now: number, deadline: number): void {
    assert(this.#open === undefined, 'a partition to have one open batch')
    batch.begin(++this.#openedCount, now, deadline)
    this.#open = batch
  }

  /** Lets nothing more join the open batch. */
  closeOpen(): void {
    if (!this.#open) return
    this.#closed.push(this.#open)
    this.#open = undefined
  }

  /** Puts the first batch that waits under way; it is closed by that. */
  drain(): ProducerBatch {
    assert(this.canSend, 'a partition to have a batch to send')
    const batch = this.#closed.shift() ?? this.#open!
    if (batch === this.#open) this.#open = undefined
    this.#inFlight.push(batch)
    return batch
  }

  /** Notes for which topic the batches go out that were drained. */
  sentTo(topicId: string): void {
    this.#topicId = topicId
  }

  /** The call that held the batch has been answered or given up. */
  ended(batch: ProducerBatch): void {
    const index = this.#inFlight.indexOf(batch)
    assert(index >= 0, 'a batch whose call has ended to have been under way')
    if (index === 0) this.#inFlight.shift()
    else this.#inFlight.splice(index, 1)
  }

  /** Lets a batch, or the halves of one, wait again: before all that were opened later. */
  putBack(...batches: readonly ProducerBatch[]): void {
    const { order } = batches[0]
    assert(
      !batches.some(batch => batch.isDone || this.#inFlight.includes(batch)),
      'a batch that is put back to be neither done nor under way'
    )
    let index = 0
    while (index < this.#closed.length && this.#closed[index].order < order) index++
    this.#closed.splice(index, 0, ...batches)
  }

  /** Takes a batch out that waits; false where it does not. */
  withdraw(batch: ProducerBatch): boolean {
    if (batch === this.#open) {
      this.#open = undefined
      return true
    }
    const index = this.#closed.indexOf(batch)
    if (index >= 0) this.#closed.splice(index, 1)
    return index >= 0
  }

  /** A try has failed, which may pass. */
  failed(error: KafkaError): void {
    this.#lastError = error
  }

  /** Sends nothing to this leader before `retryAt`; -1 stands for a leader that is not known. */
  backOff(leaderId: number, retryAt: number): void {
    this.#failedLeader = leaderId
    this.#retryAt = retryAt
  }

  /** Tries again without waiting. */
  retryNow(): void {
    this.#retryAt = 0
  }

  /** A batch has reached the log. */
  succeeded(): void {
    this.#failedLeader = -1
    this.#lastError = undefined
    this.#isHeld = false
    this.#retryAt = 0
  }

  /** Lets each batch go in a request of its own, until one has reached the log. */
  sendAlone(): void {
    this.#isHeld = true
  }

  /** Whether the next drain looks at it. */
  get isListed(): boolean {
    return this.#isListed
  }

  enterList(): void {
    this.#isListed = true
  }

  leaveList(): void {
    this.#isListed = false
  }
}
