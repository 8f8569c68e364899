import { assert } from '../common/assert.js'
import { zeroUuid } from '../common/uuid.js'
import type { KafkaError } from '../errors.js'
import type { ProducerBatch } from './producer-batch.js'
import type { SequenceIdentity } from './producer-identity.js'
import { Sequences } from './sequences.js'

/** After so many looks at metadata that lack the partition it does not exist; before, the broker that was asked may not have heard of it yet. */
const looksUntilMissing = 4

/**
 * The batches of one partition, in the order in which they must reach the log:
 *     queue := inFlight*, closed*, open?
 * The accumulator fills, drains and puts back; the sender says what became of the tries. A batch that is put back goes before all that were opened after it,
 * so nothing overtakes. Without sequence numbers one batch is under way at a time; with them there are more, as a broker refuses what comes before its turn.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** The batches held by calls that were not answered or given up, oldest first. */
  readonly #inFlight: ProducerBatch[] = []
  readonly #closed: ProducerBatch[] = []
  #open: ProducerBatch | undefined
  /** The number of batches that were opened. */
  #openedCount = 0
  #retryAt = 0
  #failedLeader = -1
  #lastError: KafkaError | undefined
  #topicId = zeroUuid
  /** Looks at metadata in turn that did not show the partition. */
  #looksWithout = 0
  #isHeld = false
  #isListed = false
  readonly #sequences: Sequences | undefined

  /** Batches get sequence numbers where there is an identity. */
  constructor(topic: string, partition: number, identity?: SequenceIdentity) {
    this.topic = topic
    this.partition = partition
    this.#sequences = identity && new Sequences(identity)
  }

  /** True if its batches have sequence numbers. */
  get hasSequences(): boolean {
    return this.#sequences !== undefined
  }

  get openedCount(): number {
    return this.#openedCount
  }

  /** The batch that records are appended to. */
  get open(): ProducerBatch | undefined {
    return this.#open
  }

  /** The number of batches that wait. */
  get length(): number {
    return this.#closed.length + (this.#open ? 1 : 0)
  }

  get hasClosed(): boolean {
    return this.#closed.length > 0
  }

  /** True if a batch waits that may go once its time has come: as many as are allowed at a time are not under way. */
  get canSend(): boolean {
    if (this.#inFlight.length === 0) return this.#open !== undefined || this.#closed.length > 0
    return this.#closed.length > 0 && this.#sequences !== undefined && this.#mayJoin(this.#closed[0], this.#sequences)
  }

  /** True if a batch may go while others are under way. One that is still open waits, and grows meanwhile. */
  #mayJoin(next: ProducerBatch, sequences: Sequences): boolean {
    const { isNumbered, order } = next
    if (sequences.mustRestart || this.#isHeld || this.#inFlight.length >= sequences.mostInFlight) return false
    if (!isNumbered && sequences.isInDoubt) return false
    for (const batch of this.#inFlight) {
      if (batch.isAnswered) return false
      // One that is sent again goes when it is the first: only then a refusal tells anything new.
      if (isNumbered && batch.order < order) return false
      // However often the first is sent, no more may follow it than the broker remembers.
      if (order - batch.order >= sequences.mostInFlight) return false
    }
    return true
  }

  /** The batch that all others wait for. An open one does not count: nothing holds it up yet. */
  get first(): ProducerBatch | undefined {
    const [waiting] = this.#closed
    let first: ProducerBatch | undefined = waiting
    for (const batch of this.#inFlight) if (first === undefined || batch.order < first.order) first = batch
    return first
  }

  /** Time of the monotonic clock before which nothing is sent, after a failure. */
  get retryAt(): number {
    return this.#retryAt
  }

  /** The node that failed last; another leader is tried without waiting. */
  get failedLeader(): number {
    return this.#failedLeader
  }

  /** The error of the last try; undefined once one has succeeded. */
  get lastError(): KafkaError | undefined {
    return this.#lastError
  }

  /** The id that the topic had when a batch was last drained. */
  get topicId(): string {
    return this.#topicId
  }

  /** True if its batches go alone, because readers are behind: a broker that holds one would hold up all that travel with it. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** True if a call that has not been answered or given up holds the batch. */
  isInFlight(batch: ProducerBatch): boolean {
    return this.#inFlight.includes(batch)
  }

  /** All batches whose fate is not known. */
  *unsettled(): Iterable<ProducerBatch> {
    for (const batch of this.#inFlight) if (!batch.isDone) yield batch
    yield* this.#closed
    if (this.#open) yield this.#open
  }

  get hasUnsettled(): boolean {
    for (const _ of this.unsettled()) return true
    return false
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
    if (this.#sequences && this.#inFlight.length === 0 && (this.#sequences.mustRestart || this.#sequences.isInDoubt))
      this.#restartBefore(batch, this.#sequences)
    let isFirst = true
    for (let i = 0; i < this.#inFlight.length; i++) if (this.#inFlight[i].order < batch.order) isFirst = false
    this.#inFlight.push(batch)
    batch.tried(isFirst)
    return batch
  }

  /** Nothing is under way: begins a new epoch where the old one cannot go on with this batch. */
  #restartBefore(batch: ProducerBatch, sequences: Sequences): void {
    if (sequences.mustRestart || !batch.isNumbered) sequences.restart([batch, ...this.#closed])
  }

  /**
   * Notes for which topic a batch goes out that was drained. False where the topic was created anew and others are still under way to the one before, which
   * have to end first: the new one knows nothing of the producer.
   */
  sentTo(topicId: string, batch: ProducerBatch): boolean {
    if (this.#sequences && this.isOfAnother(topicId)) {
      if (this.#inFlight.length > 1) return false
      this.#sequences.restart([batch, ...this.#closed])
    }
    this.#topicId = topicId
    this.#looksWithout = 0
    return true
  }

  /** A transaction begins, before which all batches have ended. */
  beginTransaction(): void {
    this.#sequences?.beginTransaction()
  }

  /** Gives a batch that is about to be sent its sequence number. */
  number(batch: ProducerBatch): void {
    this.#sequences?.number(batch)
  }

  /** True if batches were drained for another topic of this name. */
  isOfAnother(topicId: string): boolean {
    return this.#topicId !== zeroUuid && topicId !== zeroUuid && topicId !== this.#topicId
  }

  /** The topic, of this id, does not show the partition. Returns true where it has none: it was created anew, or shows none again and again. */
  isMissingIn(topicId: string): boolean {
    this.#looksWithout = this.isOfAnother(topicId) ? looksUntilMissing : this.#looksWithout + 1
    return this.#looksWithout >= looksUntilMissing
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

  /** A batch has reached the log; what the answer to a call that was given up says does not count for those after it. */
  succeeded(batch: ProducerBatch, isLate: boolean): void {
    this.#failedLeader = -1
    this.#lastError = undefined
    this.#isHeld = false
    // One that is to be sent again keeps the time that it waits for.
    if (this.#closed.length === 0 || !this.#closed[0].isNumbered) this.#retryAt = 0
    if (!batch.isNumbered) return
    if (isLate) this.#sequences?.doubt(batch)
    else this.#sequences?.written(batch)
  }

  /** The leader expects another sequence number. Whether that says more than that a batch before this one is missing shows once that has ended. */
  refusedSequence(batch: ProducerBatch): void {
    if (batch.isSentFirst) this.#sequences?.breakOff()
  }

  /** The leader knows another producer with the same id, in a later epoch. */
  refusedId(): void {
    this.#sequences?.abandonId()
  }

  /** A batch is given up: those after it cannot be written with their numbers, unless it was. */
  lost(batch: ProducerBatch): void {
    if (!batch.isNumbered) return
    if (batch.maybeWritten || this.isInFlight(batch)) this.#sequences?.doubt(batch)
    else this.#sequences?.breakOff()
  }

  /** Lets each batch go in a request of its own, until one has reached the log. */
  sendAlone(): void {
    this.#isHeld = true
  }

  /** True if the next drain looks at it. */
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
