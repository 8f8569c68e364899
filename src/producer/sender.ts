import type { MetadataCache } from '../client/metadata-cache.js'
import { Backoff } from '../client/retry.js'
import type { Clock } from '../common/clock.js'
import { type Dates, datesOf } from '../common/dates.js'
import { isPromise } from '../common/deferred.js'
import { type Turns, type TurnTaker, turnsOf, type Written } from '../common/turns.js'
import { zeroUuid } from '../common/uuid.js'
import { KafkaError } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import type { Accumulator } from './accumulator.js'
import { Alarm } from './alarm.js'
import {
  expired,
  givenUp,
  metadataErrors,
  noLeader,
  noPartition,
  refusals,
  refusalsForSure,
  sequenceErrors,
  sharedRefusal,
  unanswered,
  unexpected
} from './delivery-errors.js'
import type { ProducerSettings } from './options.js'
import type { PartitionQueue } from './partition-queue.js'
import { type PartitionResponse, ProduceCall, type ProduceResponse } from './produce-call.js'
import type { ProducerBatch } from './producer-batch.js'
import { identityErrors, type SequenceIdentity } from './producer-identity.js'
import type { SenderListener, SenderOptions } from './sender-parts.js'

/** A look at the clock costs about a tenth of a send. */
const readingsPerLook = 16

/** After so many bytes it is time to ask whether the slice is over. A call without any counts as so many. */
const bytesPerLook = 16 * 1024
const bytesPerCall = 1024

const done = Promise.resolve()

/**
 * Sends batches: one request per broker and turn, with at most one batch of each partition in it, in an order that holds whatever fails.
 * Batches that fail for the moment are tried again after a while, until their delivery timeout.
 *
 * Size: it decides about every outcome of a request, and all of them change what it does next.
 */
export class Sender implements TurnTaker {
  readonly #settings: ProducerSettings
  readonly #clock: Clock
  readonly #dates: Dates
  readonly #brokers: Brokers
  readonly #metadata: MetadataCache
  readonly #accumulator: Accumulator
  readonly #identity: SequenceIdentity | undefined
  readonly #listener: SenderListener
  readonly #backoff: Backoff
  /** The batches that this turn sends. */
  readonly #assigned: ProduceCall[] = []
  /** The calls under way, each at the index that it holds as its `slot`. */
  readonly #calls: ProduceCall[] = []
  readonly #refreshing = new Set<string>()
  /** Kept for the next calls: making one costs more than the rest of a call. */
  readonly #controllers: AbortController[] = []
  readonly #deadlineAlarm: Alarm
  readonly #ending = new AbortController()
  readonly #turns: Turns
  /** Calls that have been answered while it was not the sender's turn. */
  #answeredCalls: { readonly call: ProduceCall; readonly response: ProduceResponse }[] = []
  #bytesUntilLook = 0
  /** The topics written since the last turn, while the sender waits for the next. */
  written: Written | undefined
  #writtenBytes = 0
  readonly #onTurn = () => this.#turn()
  readonly #onDrained = (queue: PartitionQueue, batch: ProducerBatch) => this.#assign(queue, batch)
  #isScheduled = false
  #isIdentifying = false
  /** The last reading of the clock in this stretch, and the number of uses of it. */
  #stretchNow = 0
  #stretchReadings = 0

  constructor(options: SenderOptions) {
    const { clock } = options
    this.#settings = options.settings
    this.#clock = clock
    this.#dates = datesOf(clock)
    this.#brokers = options.brokers
    this.#metadata = options.metadata
    this.#accumulator = options.accumulator
    this.#identity = options.identity
    this.#listener = options.listener
    this.#turns = turnsOf(clock)
    this.#backoff = new Backoff(clock, options.random, options.settings)
    this.#deadlineAlarm = new Alarm(clock, () => this.#checkDeadlines(), { givesUp: true })
  }

  /** The wall time for a record that is being sent: while a turn is due at the end of this stretch, one look at the clock serves a few records. */
  now(): number {
    if (!this.#isScheduled) return this.#dates.now()
    if (this.#stretchReadings++ % readingsPerLook === 0) this.#stretchNow = this.#dates.now()
    return this.#stretchNow
  }

  /** Sends at once what waits for its next try, or for the end of this stretch. */
  sendNow(): void {
    this.#accumulator.retryNow(() => true)
    this.#turn()
  }

  /** Stops for good. What has not been delivered is given up with this error. */
  stop(error: KafkaError): void {
    this.#ending.abort(error)
    this.#deadlineAlarm.cancel()
    this.#accumulator.abort((queue, batch) => this.#fail(queue, batch, error))
    for (const call of [...this.#calls]) {
      this.#takeOff(call)
      call.controller?.abort(error)
    }
  }

  /** Takes a turn at the end of the synchronous stretch that we are in, so that all that is sent in it goes together. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    done.then(this.#onTurn)
  }

  #turn(): void {
    this.#isScheduled = false
    this.#stretchReadings = 0
    if (!this.#accumulator.isReady) return
    const identity = this.#identity
    if (identity !== undefined && !identity.isKnown && !(this.#accumulator.hasSendable() && this.#identify(identity))) return
    const now = this.#clock.monotonic()
    this.#listener.onTurn(now)
    this.#accumulator.drain(now, this.#onDrained)
    for (let call = this.#assigned.pop(); call; call = this.#assigned.pop()) this.#send(call, now)
  }

  /** Asks for the producer's id. Returns whether it is there at once; otherwise batches wait until it is. */
  #identify(identity: SequenceIdentity): boolean {
    const asked = identity.acquire(this.#ending.signal)
    if (!isPromise(asked)) return true
    this.#deadlineAlarm.set(this.#accumulator.nextDeadline)
    if (this.#isIdentifying) return false
    this.#isIdentifying = true
    const onEnd = () => {
      this.#isIdentifying = false
      this.schedule()
    }
    const onError = (error: unknown) => {
      if (!this.#ending.signal.aborted) this.#accumulator.refuse((queue, batch) => this.#fail(queue, batch, error))
      this.#listener.onReleased()
      onEnd()
    }
    asked.then(onEnd, onError)
    return false
  }

  /** Puts a batch into the call to its partition's leader. */
  #assign(queue: PartitionQueue, batch: ProducerBatch): void {
    const topic = this.#metadata.topic(queue.topic)
    const leaderId = topic?.partitions[queue.partition]?.leaderId ?? -1
    if (topic && queue.partition >= topic.partitions.length) {
      queue.ended(batch)
      if (queue.isMissingIn(topic.id)) this.#fail(queue, batch, noPartition(queue, topic.partitions.length))
      else {
        this.#refresh(queue.topic)
        this.#retry(queue, batch, noLeader(queue, true), leaderId)
      }
      return this.#accumulator.goOn(queue)
    }
    if (!queue.sentTo(topic?.id ?? zeroUuid, batch)) {
      queue.ended(batch)
      return this.#sendAgain(queue, batch, batch.lastError)
    }
    let leader: Broker | undefined
    let bytes: Uint8Array
    // Brokers and codecs may be code of a user's; the other partitions of this turn do not suffer from what it throws.
    try {
      leader = leaderId < 0 ? undefined : this.#brokers.byId(leaderId)
      if (!leader) {
        this.#refresh(queue.topic)
        queue.ended(batch)
        this.#retry(queue, batch, noLeader(queue, topic !== undefined), leaderId)
        return this.#accumulator.goOn(queue)
      }
      bytes = this.#accumulator.lend(queue, batch)
    } catch (error) {
      queue.ended(batch)
      this.#fail(queue, batch, error)
      return this.#accumulator.goOn(queue)
    }
    const { maxRequestSize } = this.#settings
    const call = queue.isHeld ? undefined : this.#assignedTo(leaderId, maxRequestSize - bytes.length)
    if (call) call.add(queue, batch, bytes)
    else this.#assigned.push(new ProduceCall(leader, leaderId, this.#settings, queue, batch, bytes))
    this.#deadlineAlarm.set(batch.deadline)
  }

  /** A call of this turn to a leader that has no more than so many bytes yet. */
  #assignedTo(leaderId: number, mostBytes: number): ProduceCall | undefined {
    for (const call of this.#assigned) if (call.leaderId === leaderId && call.sizeInBytes <= mostBytes && !call.isAlone) return call
    return undefined
  }

  #send(call: ProduceCall, now: number): void {
    call.deadline = now + this.#settings.requestTimeoutMs
    this.#deadlineAlarm.set(call.deadline)
    call.controller = this.#controllers.pop() ?? new AbortController()
    call.slot = this.#calls.push(call) - 1
    // A broker that holds the batches back has to say so before their time is over.
    let deadline = call.deadline
    for (const batch of call.batches) if (batch.deadline < deadline) deadline = batch.deadline
    const response = call.send(Math.max(1, Math.ceil(deadline - now)))
    if (!isPromise(response)) return this.#onResponse(call, response)
    response.then(
      settled => this.#onResponse(call, settled),
      error => this.#unanswered(call, error)
    )
  }

  #onResponse(call: ProduceCall, response: ProduceResponse): void {
    call.end()
    if (!this.#finish(call)) return this.#answeredLate(call, response)
    this.#writtenBytes += call.sizeInBytes
    if (this.#answeredCalls.length === 0 && !this.#isSliceOver(call.sizeInBytes)) return this.#answered(call, response)
    // An answered batch no longer expires, however long it waits.
    for (const batch of call.batches) batch.answered()
    if (this.#answeredCalls.push({ call, response }) > 1) return
    this.written = { topics: call.topics, bytes: this.#writtenBytes, since: 0 }
    this.#turns.add(this)
  }

  #isSliceOver(bytes: number): boolean {
    this.#bytesUntilLook -= bytes + bytesPerCall
    if (this.#bytesUntilLook > 0) return false
    this.#bytesUntilLook = bytesPerLook
    return this.#turns.isOver()
  }

  /** It is the sender's turn: goes on with what was answered since its last. */
  resume(): void {
    const answered = this.#answeredCalls
    this.#answeredCalls = []
    this.#writtenBytes = 0
    for (const { call, response } of answered) this.#answered(call, response)
  }

  #answered(call: ProduceCall, response: ProduceResponse): void {
    const answers = call.answersIn(response)
    for (let i = 0; i < answers.length; i++) {
      const queue = call.queues[i]
      call.batches[i].answerRead()
      queue.ended(call.batches[i])
      this.#settle(queue, call.batches[i], answers[i], call.leaderId)
    }
    this.#goOn(call.queues)
  }

  /**
   * Takes the response of a call that was given up. What it says was written is delivered, unless another try has delivered it; the rest was tried again, or
   * has failed.
   */
  #answeredLate(call: ProduceCall, response: ProduceResponse): void {
    const answers = call.answersIn(response)
    for (let i = 0; i < answers.length; i++) {
      const queue = call.queues[i]
      const batch = call.batches[i]
      const answer = answers[i]
      const isWritten = answer !== undefined && answer.errorCode === 0
      if (isWritten && !batch.isDone) {
        queue.withdraw(batch)
        this.#deliver(queue, batch, answer.baseOffset, answer.logAppendTimeMs ?? -1, true)
      } else if (batch.isDone) this.#accumulator.complete(queue, batch)
    }
    this.#goOn(call.queues)
  }

  #unanswered(call: ProduceCall, error: unknown): void {
    call.end()
    if (!this.#finish(call)) {
      for (let i = 0; i < call.queues.length; i++) if (call.batches[i].isDone) this.#accumulator.complete(call.queues[i], call.batches[i])
      return
    }
    this.#failAll(call, error)
    this.#goOn(call.queues)
  }

  /** Says that a call has been answered; false when nobody waits for that any more because it was given up. */
  #finish(call: ProduceCall): boolean {
    if (!this.#takeOff(call)) return false
    // One that has aborted is of no use to another call.
    if (call.controller && !call.controller.signal.aborted) this.#controllers.push(call.controller)
    return true
  }

  /** Takes a call off the list; false when it is not on it. */
  #takeOff(call: ProduceCall): boolean {
    if (call.slot < 0) return false
    const last = this.#calls.pop()!
    if (last !== call) {
      this.#calls[call.slot] = last
      last.slot = call.slot
    }
    call.slot = -1
    return true
  }

  #failAll(call: ProduceCall, error: unknown): void {
    for (let i = 0; i < call.queues.length; i++) {
      call.queues[i].ended(call.batches[i])
      call.batches[i].leftInDoubt()
      this.#failOrRetry(call.queues[i], call.batches[i], error, call.leaderId)
    }
  }

  #goOn(queues: readonly PartitionQueue[]): void {
    for (let i = 0; i < queues.length; i++) this.#accumulator.goOn(queues[i])
    this.#listener.onReleased()
  }

  #settle(queue: PartitionQueue, batch: ProducerBatch, answer: PartitionResponse | undefined, leaderId: number): void {
    const { topic, partition } = queue
    if (!answer) {
      // With acks 0 a broker on the wire says nothing at all.
      if (this.#settings.acks === 0) return this.#deliver(queue, batch, -1, -1)
      batch.leftInDoubt()
      return this.#fail(queue, batch, unanswered(queue))
    }
    if (answer.errorCode === 0) {
      const baseOffset = this.#settings.acks === 0 ? -1 : answer.baseOffset
      return this.#deliver(queue, batch, baseOffset, answer.logAppendTimeMs ?? -1)
    }
    const error = KafkaError.fromNumber(answer.errorCode, answer.errorMessage, { topic, partition })
    if (!refusalsForSure.has(error.code)) batch.leftInDoubt()
    if (queue.hasSequences) {
      if (sequenceErrors.has(error.code)) return this.#renumber(queue, batch, error, leaderId)
      if (identityErrors.has(error.code) && !this.#identity?.isTransactional) {
        // Sent again with another id: somebody else has this one, as after a cluster was set up
        // anew.
        queue.refusedId()
        return this.#retry(queue, batch, error, leaderId)
      }
      // The leader has it, and no longer knows where.
      if (error.code === 'DUPLICATE_SEQUENCE_NUMBER') return this.#deliver(queue, batch, -1, -1)
    }
    if (error.code === 'THROTTLING_QUOTA_EXCEEDED' && !queue.isHeld) return this.#sendAlone(queue, batch, error)
    const isTooLarge = error.code === 'MESSAGE_TOO_LARGE' || error.code === 'RECORD_LIST_TOO_LARGE'
    if (isTooLarge && batch.recordCount > 1 && !batch.isDone) return this.#split(queue, batch)
    if (error.retriable || !answer.recordErrors?.length) return this.#failOrRetry(queue, batch, error, leaderId)
    this.#fail(queue, batch, sharedRefusal(error), refusals(answer, error))
  }

  /** Sends a batch again at once, now in a request of its own, which the broker can hold until readers have made room. */
  #sendAlone(queue: PartitionQueue, batch: ProducerBatch, error: KafkaError): void {
    queue.sendAlone()
    this.#sendAgain(queue, batch, error)
  }

  /** Puts a batch back to the front of its queue; the try does not count. */
  #sendAgain(queue: PartitionQueue, batch: ProducerBatch, error: unknown): void {
    batch.tryFailed(error, false)
    if (batch.isDone) return this.#expire(queue, batch)
    this.#accumulator.putBack(queue, batch)
  }

  /** Sends a batch again that came before its turn; where it was its turn, in a new epoch. */
  #renumber(queue: PartitionQueue, batch: ProducerBatch, error: KafkaError, leaderId: number): void {
    // Batches of a transaction cannot be numbered anew: it is aborted.
    if (batch.isSentFirst && this.#identity?.isTransactional) return this.#fail(queue, batch, error)
    queue.refusedSequence(batch)
    if (batch.isSentFirst) this.#retry(queue, batch, error, leaderId)
    else this.#sendAgain(queue, batch, error)
  }

  #deliver(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number, logAppendTime: number, isLate = false): void {
    queue.succeeded(batch, isLate)
    if (!batch.isDone) {
      batch.deliver(queue.partition, baseOffset, logAppendTime)
      this.#listener.onDelivered(queue, batch, baseOffset)
    }
    this.#accumulator.complete(queue, batch)
  }

  #split(queue: PartitionQueue, batch: ProducerBatch): void {
    try {
      this.#accumulator.split(queue, batch)
    } catch (error) {
      // A codec of the user's own may not be able to read what it has written.
      this.#fail(queue, batch, error)
    }
  }

  #failOrRetry(queue: PartitionQueue, batch: ProducerBatch, error: unknown, leaderId: number): void {
    if (!(error instanceof KafkaError)) return this.#fail(queue, batch, unexpected(error, queue))
    if (metadataErrors.has(error.code)) this.#refresh(queue.topic)
    if (error.retriable) this.#retry(queue, batch, error, leaderId)
    else this.#fail(queue, batch, error)
  }

  /** Puts a batch back to the front of its queue, for later. */
  #retry(queue: PartitionQueue, batch: ProducerBatch, error: KafkaError, leaderId: number): void {
    const now = this.#clock.monotonic()
    batch.tryFailed(error, true)
    queue.failed(error)
    if (batch.isDone || now >= batch.deadline) return this.#expire(queue, batch)
    const delayMs = Math.ceil(this.#backoff.delayMs(batch.attempts))
    queue.backOff(leaderId, now + delayMs)
    this.#accumulator.putBack(queue, batch)
    this.#deadlineAlarm.set(batch.deadline)
    this.#listener.onRetry(queue, batch, error, delayMs)
  }

  /** Looks up a topic again. Where that shows another leader, or that the topic was created anew, batches are tried at once. */
  #refresh(topic: string): void {
    if (this.#refreshing.has(topic) || this.#ending.signal.aborted) return
    this.#refreshing.add(topic)
    this.#metadata.forget(topic)
    const onEnd = () => {
      this.#refreshing.delete(topic)
      if (this.#ending.signal.aborted) return
      const found = this.#metadata.topic(topic)
      this.#accumulator.retryNow(queue => {
        if (queue.topic !== topic || !found) return false
        if (queue.partition >= found.partitions.length) return queue.isOfAnother(found.id)
        const leaderId = found.partitions[queue.partition]?.leaderId ?? -1
        return leaderId >= 0 && (leaderId !== queue.failedLeader || found.id !== queue.topicId)
      })
    }
    const { allowAutoTopicCreation, requestTimeoutMs } = this.#settings
    const found = this.#metadata.ensure([topic], { allowAutoTopicCreation, timeoutMs: requestTimeoutMs, signal: this.#ending.signal })
    // A failure here shows in the batches, which find no leader until they expire.
    if (isPromise(found)) found.then(onEnd, onEnd)
    else onEnd()
  }

  #checkDeadlines(): void {
    const now = this.#clock.monotonic()
    this.#accumulator.expire(now, (queue, batch) => this.#expire(queue, batch))
    // Nobody wants to know any more: what waits at the leader is called back.
    for (const call of this.#calls) if (call.tellsFate && call.batches.every(batch => batch.isDone)) call.controller?.abort(givenUp())
    const late = this.#calls.filter(call => call.deadline <= now)
    for (const call of late) this.#giveUp(call)
    let next = this.#accumulator.nextDeadline
    // A record that joins a listed partition begins no turn, so that no alarm would be set for it.
    if (this.#isIdentifying) next = Math.min(next, now + this.#settings.deliveryTimeoutMs)
    for (const call of this.#calls) next = Math.min(next, call.deadline)
    if (next !== Number.POSITIVE_INFINITY) this.#deadlineAlarm.set(next)
    this.#goOn(late.flatMap(call => call.queues))
  }

  /**
   * Stops waiting for a response. Whether the batches reached the log is not known; trying again may double them. A leader that answers aborted calls is
   * waited for: the next try would only stand in line behind this one.
   */
  #giveUp(call: ProduceCall): void {
    call.deadline = Number.POSITIVE_INFINITY
    const { tellsFate } = call
    if (!tellsFate) this.#takeOff(call)
    const error = new KafkaError('REQUEST_TIMED_OUT', `The broker did not answer within ${this.#settings.requestTimeoutMs} ms`)
    call.controller?.abort(error)
    if (!tellsFate) this.#failAll(call, error)
  }

  #expire(queue: PartitionQueue, batch: ProducerBatch): void {
    this.#fail(queue, batch, expired(queue, batch, this.#settings.deliveryTimeoutMs, this.#identity?.lastError))
  }

  #fail(queue: PartitionQueue, batch: ProducerBatch, error: unknown, errorAt?: ReadonlyMap<number, unknown>): void {
    if (!batch.isDone) {
      queue.lost(batch)
      batch.fail(queue.partition, error, errorAt)
      this.#listener.onFailed(queue, batch, error)
    }
    this.#accumulator.complete(queue, batch)
  }
}
