import type { Clock } from '../common/clock.js'
import { isPromise, type MaybePromise } from '../common/deferred.js'
import type { Random } from '../common/random.js'
import { BatchCursor, type ConsumerBatch } from '../consumer/consumer-batch.js'
import type { ConsumerRecord } from '../consumer/consumer-record.js'
import { rejectedRecord } from '../consumer/fetch/record-decoder.js'
import { type RejectedRecord, RejectedRecordError } from '../consumer/rejection.js'
import { type DeadLetterSink, deadLetterSink } from '../consumer/run/dead-letter.js'
import { Handling } from '../consumer/run/handling.js'
import type { HandlerContext } from '../consumer/run/run-options.js'
import { Subscription } from '../consumer/source/subscription.js'
import type { AnyRecord } from '../producer/producer-record.js'
import { bytes } from '../record/serde.js'
import type { AnyTopic } from '../record/topic.js'
import type { PipeContext, PipeSettings } from './pipe-options.js'

export type PipedRecord = ConsumerRecord<unknown, unknown>
export type PipedBatch = ConsumerBatch<unknown, unknown>
type AnyGiven = PipedRecord | RejectedRecord

/** A record to send. */
export interface Output {
  readonly topic: AnyTopic | string
  readonly record: AnyRecord
}

export interface TransformationParts {
  readonly settings: PipeSettings
  readonly clock: Clock
  readonly random: Random
  /** Aborts when the pipe stops. */
  readonly signal: AbortSignal
  readonly onDeadLetter: (record: AnyGiven, error: unknown) => void
  readonly onRejected: (record: RejectedRecord) => void
}

/**
 * Makes outputs of records, one record after the other: decodes, transforms, tries again, and gives
 * up what cannot be transformed, as the options say.
 */
export class Transformation {
  readonly #parts: TransformationParts
  readonly #handling: Handling<PipedRecord>
  readonly #giveUp: ((record: AnyGiven, error: unknown) => Promise<void>) | undefined
  #outputs: Output[] = []

  constructor(parts: TransformationParts) {
    const { settings, clock, random, signal } = parts
    const { deadLetter, retry } = settings
    this.#parts = parts
    const sink = typeof deadLetter === 'string' ? this.#topicSink(deadLetter) : undefined
    if (deadLetter !== undefined) this.#giveUp = (record, error) => this.#deadLetter(record, error, sink)
    this.#handling = new Handling<PipedRecord>({
      handler: (record, context) => this.#transform(record, context),
      retry,
      giveUp: this.#giveUp,
      clock,
      random,
      signal
    })
  }

  /**
   * The outputs for the current record of a batch. Throws, or rejects, for a record that ends the
   * pipe. With `refusal`, its output was refused for that, so that it is given up.
   */
  outputs(
    batch: PipedBatch,
    cursor: BatchCursor<unknown, unknown>,
    refusal: { readonly error: unknown } | undefined
  ): MaybePromise<readonly Output[]> {
    this.#outputs = []
    let record: PipedRecord
    try {
      record = BatchCursor.recordAt(cursor)
    } catch (error) {
      return this.#reject(rejectedRecord(batch, cursor.raw, error)).then(() => this.#outputs)
    }
    if (refusal) return this.#giveUpRefused(record, refusal.error).then(() => this.#outputs)
    const handled = this.#handling.handle(record)
    return isPromise(handled) ? handled.then(() => this.#outputs) : this.#outputs
  }

  #transform(record: PipedRecord, context: HandlerContext): MaybePromise<void> {
    const { transform, to } = this.#parts.settings
    const outputs: Output[] = []
    this.#outputs = outputs
    if (transform === undefined) {
      const { key, value, headers, timestamp } = record
      outputs.push({ topic: to as AnyTopic | string, record: { key, value, headers, ...(timestamp >= 0 && { timestamp }) } })
      return
    }
    const given = transform(record, contextOf(context, record, outputs)) as MaybePromise<unknown>
    if (isPromise(given)) return given.then(each => this.#add(outputs, each, record))
    this.#add(outputs, given, record)
  }

  /** Adds what the user's function returned. */
  #add(outputs: Output[], given: unknown, { timestamp }: AnyGiven): void {
    if (given === undefined || given === null) return
    const { to: topic } = this.#parts.settings
    if (topic === undefined)
      throw new TypeError('Expected nothing to be returned by a pipe without `to`; `context.send(topic, record)` sends elsewhere')
    for (const record of isIterable(given) ? given : [given]) outputs.push({ topic, record: withTimestamp(record as AnyRecord, timestamp) })
  }

  async #deadLetter(record: AnyGiven, error: unknown, sink: DeadLetterSink | undefined): Promise<void> {
    const outputs: Output[] = []
    this.#outputs = outputs
    const { settings, signal, onDeadLetter } = this.#parts
    if (sink) await sink(record, error)
    else if (typeof settings.deadLetter === 'function')
      this.#add(outputs, await settings.deadLetter(record, error, contextOf({ attempt: 1, signal }, record, outputs)), record)
    onDeadLetter(record, error)
  }

  #topicSink(topic: string): DeadLetterSink {
    const { from, key = bytes, value = bytes } = this.#parts.settings
    const subscription = new Subscription(from)
    const send = async (_: string, record: AnyRecord) => {
      this.#outputs.push({ topic, record })
    }
    return deadLetterSink({ topic, producer: { send } }, name => subscription.serdesOf(name, { key, value }))
  }

  async #giveUpRefused(record: PipedRecord, error: unknown): Promise<void> {
    if (!this.#giveUp) throw error
    await this.#giveUp(record, error)
  }

  async #reject(rejected: RejectedRecord): Promise<void> {
    const { settings, onRejected } = this.#parts
    onRejected(rejected)
    const { rejection } = settings
    if (typeof rejection === 'function') await rejection(rejected)
    else if (rejection === 'skip') return
    else if (rejection === undefined && this.#giveUp) await this.#giveUp(rejected, rejected.error)
    else throw new RejectedRecordError(rejected)
  }
}

/** Events keep their time, as in Kafka Streams, unless the output says another. */
function withTimestamp(record: AnyRecord, timestamp: number): AnyRecord {
  return timestamp < 0 || record?.timestamp !== undefined || typeof record !== 'object' ? record : { ...record, timestamp }
}

function contextOf({ attempt, signal }: HandlerContext, given: AnyGiven, outputs: Output[]): PipeContext {
  const send = (topic: AnyTopic | string, record: AnyRecord) => {
    outputs.push({ topic, record: withTimestamp(record, given.timestamp) })
  }
  return { attempt, signal, send: send as PipeContext['send'] }
}

function isIterable(given: unknown): given is Iterable<unknown> {
  return typeof given === 'object' && given !== null && Symbol.iterator in given
}
