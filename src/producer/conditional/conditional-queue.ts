import type { MetadataCache } from '../../client/metadata-cache.js'
import { type Backoff, limitedBy } from '../../client/retry.js'
import { onAbort } from '../../common/abort.js'
import { copyBytes } from '../../common/bytes.js'
import { type Clock, sleep } from '../../common/clock.js'
import { abortable, isPromise } from '../../common/deferred.js'
import { microtask } from '../../common/host.js'
import type { Turns } from '../../common/turns.js'
import { KafkaError } from '../../errors.js'
import { type Brokers, tellsFate } from '../../protocol/broker.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import { ConditionalAppend } from '../../protocol/messages/conditional-append.js'
import { InitProducerId } from '../../protocol/messages/init-producer-id.js'
import { lastProducerEpoch, sequenceAfter } from '../../record/batch-header.js'
import { codeOfDelay } from '../delivery-errors.js'
import type { ProducerSettings } from '../options.js'
import { givenId, idRequest } from '../producer-identity.js'
import { ConditionalBatches, type ConditionalSend, takeGroup } from './conditional-append-call.js'
import { conflictError, type FoundConflict, requestError } from './conditions.js'

export interface ConditionalQueueParts {
  readonly settings: ProducerSettings
  readonly clock: Clock
  readonly turns: Turns
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly backoff: Backoff
  /** Aborts when the producer ends. */
  readonly ending: AbortSignal
  readonly onDelivered: (partition: number, baseOffset: number, recordCount: number, sizeInBytes: number) => void
  readonly onFailed: (partition: number, recordCount: number, error: unknown) => void
  /** Memory has become free. */
  readonly onReleased: () => void
}

type Response = ResponseOf<typeof ConditionalAppend>

/** The outcome of a try. */
interface Outcome {
  readonly response?: Response
  readonly error?: unknown
  /** True if no broker was asked. */
  readonly isUnsent?: boolean
  /** True if the broker that was asked may still read and stamp the bytes of the batch. */
  readonly isLent?: boolean
}

const mostInGroup = 10_000
/** The longest wait before a leader is asked again about a key that another transaction has. */
const undecidedMs = 50
const wrongState: ReadonlySet<string> = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH'])

/**
 * The conditional sends to one partition. One batch at a time is under way: all sends that wait go
 * together in the next one, as far as none depends on another. A batch carries a producer id and a
 * sequence number, so that one that is sent again, because its answer was lost, is recognized and
 * does not conflict with itself.
 */
export class ConditionalQueue {
  readonly topic: string
  readonly partition: number
  readonly #parts: ConditionalQueueParts
  readonly #batches: ConditionalBatches
  readonly #waiting: ConditionalSend[] = []
  #isRunning = false
  #producerId = -1
  #producerEpoch = 0
  #nextSequence = 0
  /** The number of new ids since the last batch was written. */
  #renewals = 0
  /** The number of sends that go one by one: their common batch was refused for one of them. */
  #alone = 0
  #lastError: unknown

  constructor(topic: string, partition: number, parts: ConditionalQueueParts) {
    this.topic = topic
    this.partition = partition
    this.#parts = parts
    this.#batches = new ConditionalBatches(parts.settings.compression)
  }

  /** True if something is not delivered. */
  get isBusy(): boolean {
    return this.#isRunning
  }

  /** The error of the last try, while it is not known what becomes of the group. */
  get lastError(): unknown {
    return this.#lastError
  }

  add(send: ConditionalSend): void {
    this.#waiting.push(send)
    if (this.#isRunning) return
    this.#isRunning = true
    microtask(() => this.#run())
  }

  /** Takes back a send that is not under way; false where it is too late. */
  withdraw(send: ConditionalSend): boolean {
    const index = this.#waiting.indexOf(send)
    if (index < 0) return false
    this.#waiting.splice(index, 1)
    microtask(this.#parts.onReleased)
    return true
  }

  /** Sends what waits, as long as answers are there at once. */
  #run(): void {
    while (this.#waiting.length > 0) {
      const { turns, settings, ending } = this.#parts
      if (ending.aborted) this.#fail(this.#waiting.splice(0), ending.reason)
      if (this.#waiting.length === 0) break
      const turn = turns.yieldWhenOver()
      if (turn) return void turn.then(() => this.#run())
      const group = takeGroup(this.#waiting, Math.min(settings.batchSize, settings.maxRequestSize), this.#alone > 0 ? 1 : mostInGroup)
      if (this.#alone > 0) this.#alone--
      const done = this.#deliver(group)
      if (isPromise(done)) return void done.then(() => this.#goOn())
      this.#parts.onReleased()
    }
    this.#isRunning = false
  }

  #goOn(): void {
    this.#lastError = undefined
    this.#parts.onReleased()
    this.#run()
  }

  #deliver(group: ConditionalSend[]): undefined | Promise<void> {
    if (this.#producerId >= 0) return this.#send(group)
    return this.#takeId(group).then(
      () => this.#send(group),
      error => this.#fail(group, error)
    )
  }

  #send(group: ConditionalSend[]): undefined | Promise<void> {
    const body = this.#requestFor(group)
    const tried = this.#try(group, body)
    if (isPromise(tried)) return tried.then(outcome => this.#settleSlowly(group, body, outcome))
    return this.#isFinal(group, tried) ? undefined : this.#settleSlowly(group, body, tried)
  }

  async #takeId(group: readonly ConditionalSend[]): Promise<void> {
    const { brokers, backoff, clock, ending, settings } = this.#parts
    const timeoutMs = Math.max(1, Math.min(...group.map(({ deadline }) => deadline)) - clock.monotonic())
    const ask = async (signal: AbortSignal) => {
      const limit = limitedBy(clock, settings.requestTimeoutMs, signal)
      try {
        return givenId(await abortable(Promise.resolve(brokers.any().request(InitProducerId, idRequest, limit.signal)), limit.signal))
      } catch (error) {
        this.#lastError = error
        throw error
      } finally {
        limit.end()
      }
    }
    const { producerId, producerEpoch } = await backoff.retry(ask, { timeoutMs, signal: ending })
    this.#producerId = producerId
    this.#producerEpoch = producerEpoch
    this.#nextSequence = 0
  }

  /** Later batches are told from all before: what became of one of those is not known. */
  #beginAnew(): void {
    this.#nextSequence = 0
    if (this.#producerEpoch === lastProducerEpoch) this.#producerId = -1
    else this.#producerEpoch++
  }

  #requestFor(group: readonly ConditionalSend[]): RequestOf<typeof ConditionalAppend> {
    const identity = { producerId: this.#producerId, producerEpoch: this.#producerEpoch, baseSequence: this.#nextSequence }
    return this.#batches.request(group, identity, this.topic, this.partition)
  }

  #try(group: readonly ConditionalSend[], body: RequestOf<typeof ConditionalAppend>): Outcome | Promise<Outcome> {
    const { metadata, settings, clock, ending } = this.#parts
    if (ending.aborted) return { error: ending.reason, isUnsent: true }
    const leader = metadata.leaderOf(this.topic, this.partition)
    if (!leader) return { error: new KafkaError('LEADER_NOT_AVAILABLE', undefined, this.#place), isUnsent: true }
    let deadline = Number.POSITIVE_INFINITY
    for (const send of group) if (send.deadline < deadline) deadline = send.deadline
    const timeoutMs = Math.max(1, Math.ceil(Math.min(settings.requestTimeoutMs, deadline - clock.monotonic())))
    body.timeoutMs = timeoutMs
    const limit = new AbortController()
    try {
      const response = leader.request(ConditionalAppend, body, limit.signal)
      if (!isPromise(response)) return { response }
      const late = new KafkaError('REQUEST_TIMED_OUT', `The broker did not answer within ${timeoutMs} ms`)
      const timer = clock.setTimer(timeoutMs, () => limit.abort(late), { keepAlive: true, givesUp: true })
      const unlisten = onAbort(ending, () => limit.abort(ending.reason))
      const settled: Promise<Outcome> = response.then(
        answer => ({ response: answer }),
        error => ({ error })
      )
      const givenUp = new Promise<Outcome>(resolve => {
        onAbort(limit.signal, () => {
          if (tellsFate(limit.signal)) return
          this.#batches.leave()
          resolve({ error: limit.signal.reason, isLent: true })
        })
      })
      return Promise.race([settled, givenUp]).finally(() => {
        timer.cancel()
        unlisten()
      })
    } catch (error) {
      return { error }
    }
  }

  /** Goes on with a try until the group is done, or has to be divided. */
  async #settleSlowly(group: ConditionalSend[], body: RequestOf<typeof ConditionalAppend>, first: Outcome): Promise<void> {
    const { backoff, clock, ending, metadata, settings } = this.#parts
    let outcome = first
    let next = body
    // True if an earlier try may have been taken although nobody heard of it.
    let isDoubtful = false
    for (let failures = 1; !this.#isFinal(group, outcome); failures++) {
      const error = this.#errorIn(outcome)
      this.#lastError = error
      if (outcome.response === undefined && !outcome.isUnsent) isDoubtful = true
      if (!(error instanceof KafkaError) || !error.retriable) {
        if (error instanceof KafkaError && wrongState.has(error.code) && !isDoubtful && this.#renewals++ < 2) {
          // The partition lost the state of this producer. Nothing is under way, so it may go on
          // with another id.
          this.#producerId = -1
          return this.#putBack(group)
        }
        return this.#refused(group, error, isDoubtful)
      }
      // One key that is not decided must not hold up the others.
      if (error.code === 'CONCURRENT_TRANSACTIONS' && group.length > 1 && !isDoubtful) return this.#divide(group)
      const isUndecided = error.code === 'CONCURRENT_TRANSACTIONS'
      if (!isUndecided) metadata.forget(this.topic)
      const delayMs = isUndecided ? Math.min(backoff.delayMs(failures), undecidedMs) : backoff.delayMs(failures)
      const late = group.some(({ deadline }) => clock.monotonic() + delayMs >= deadline)
      if (late || ending.aborted) {
        this.#fail(group, ending.aborted ? ending.reason : this.#expired(error))
        if (isDoubtful) this.#beginAnew()
        return
      }
      try {
        await sleep(clock, delayMs, ending, { keepAlive: true })
        const looking = { allowAutoTopicCreation: false, timeoutMs: settings.requestTimeoutMs, signal: ending }
        await metadata.ensure([this.topic], looking)
      } catch {
        // The next try finds no leader, or that the producer has ended.
      }
      if (outcome.isLent) next = { ...next, records: copyBytes(next.records as Uint8Array) }
      outcome = await this.#try(group, next)
    }
    if (isDoubtful && outcome.response?.isConflict) this.#beginAnew()
  }

  /**
   * Settles the sends of a group where the answer says what became of them; false where it does
   * not.
   */
  #isFinal(group: readonly ConditionalSend[], { response }: Outcome): boolean {
    if (response?.errorCode !== 0) return false
    if (response.isConflict) this.#conflict(group, response)
    else this.#written(group, response)
    return true
  }

  #written(group: readonly ConditionalSend[], { baseOffset = -1, logAppendTimeMs = -1 }: Response): void {
    this.#renewals = 0
    let offset = baseOffset
    let sizeInBytes = 0
    for (const send of group) {
      send.resolve(offset, logAppendTimeMs)
      offset += send.records.length
      sizeInBytes += send.sizeInBytes
    }
    const recordCount = offset - baseOffset
    this.#nextSequence = sequenceAfter(this.#nextSequence, recordCount)
    this.#parts.onDelivered(this.partition, baseOffset, recordCount, sizeInBytes)
  }

  /** Nothing was written: those whose conditions do not hold are told, the others go again. */
  #conflict(group: readonly ConditionalSend[], response: Response): void {
    const { conflicts = [] } = response
    const found = new Map(conflicts.map(({ index, lastOffset }) => [index, lastOffset]))
    const others: ConditionalSend[] = []
    let first = 0
    for (const send of group) {
      const own = send.keys.flatMap((condition, i): FoundConflict[] => {
        const lastOffset = found.get(first + i)
        return lastOffset === undefined ? [] : [{ condition, lastOffset }]
      })
      first += send.keys.length
      // The end is a condition of a group of one.
      if (own.length === 0 && group.length > 1) others.push(send)
      else this.#reject(send, conflictError(own, response, this.#place))
    }
    this.#waiting.unshift(...others)
  }

  /** A group is refused for good. Where that is for one of several, each is tried on its own. */
  #refused(group: ConditionalSend[], error: unknown, isDoubtful: boolean): void {
    if (group.length > 1 && !isDoubtful && error instanceof KafkaError && error.code !== 'UNSUPPORTED_VERSION') return this.#divide(group)
    this.#fail(group, error)
    if (isDoubtful) this.#beginAnew()
  }

  #divide(group: readonly ConditionalSend[]): void {
    this.#alone += group.length
    this.#putBack(group)
  }

  #putBack(group: readonly ConditionalSend[]): void {
    this.#waiting.unshift(...group)
  }

  #fail(group: readonly ConditionalSend[], error: unknown): void {
    for (const send of group) this.#reject(send, error)
  }

  #reject(send: ConditionalSend, error: unknown): void {
    send.reject(error)
    this.#parts.onFailed(this.partition, send.records.length, error)
  }

  #errorIn({ response, error }: Outcome): unknown {
    if (response) return KafkaError.fromNumber(response.errorCode, response.errorMessage, this.#place)
    return requestError(error, this.#place)
  }

  #expired(cause: KafkaError): KafkaError {
    const message = `Not delivered within ${this.#parts.settings.deliveryTimeoutMs} ms; the last error was: ${cause.message}`
    return new KafkaError(codeOfDelay(cause), message, { ...this.#place, cause })
  }

  get #place() {
    return { topic: this.topic, partition: this.partition }
  }
}
