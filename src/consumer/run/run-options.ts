import { expectFunction, expectInteger, expectKnownKeys, expectNotAbove, expectOneOf, expectSignal, shown } from '../../common/options.js'
import { expectTopicName } from '../../record/topic.js'
import type { ConsumerBatch } from '../consumer-batch.js'
import type { ConsumerRecord } from '../consumer-record.js'
import type { DeadLetter } from './dead-letter.js'

/** The second argument of a handler of `run`. */
export interface HandlerContext {
  /** 1 for the first try, 2 for the first retry, … */
  readonly attempt: number
  /**
   * Aborts when `run` has been told to stop, or fails elsewhere: a handler may then cut its work
   * short.
   */
  readonly signal: AbortSignal
}

export interface RetryPolicy {
  /** The number of tries in all, the first one included. Default: 3. */
  readonly attempts?: number
  /** Milliseconds before the second try; each further wait is twice as long. Default: 100. */
  readonly backoffMs?: number
  /** The longest wait in milliseconds. Default: 10000. */
  readonly maxBackoffMs?: number
}

/** The options of `run`: exactly one of `eachRecord` and `eachBatch`; the rest is optional. */
export interface RunOptions<K = Uint8Array, V = Uint8Array, R = ConsumerRecord<K, V>, B = ConsumerBatch<K, V>> {
  /** Called, and awaited, for every record. */
  readonly eachRecord?: (record: R, context: HandlerContext) => unknown
  /** Called, and awaited, for every batch of up to `maxPollRecords` records of one partition. */
  readonly eachBatch?: (batch: B, context: HandlerContext) => unknown
  /** The most records, or batches, that may be in hand at once. Default: 1. */
  readonly concurrency?: number
  /**
   * The order of handling: the records of each partition, or only those of each key in it, so that
   * one partition too can keep several handlers busy. Default: `'partition'`.
   */
  readonly orderBy?: 'partition' | 'key'
  /**
   * Tries again, in place, what a handler threw at; later records of the same partition, or key,
   * wait. Default: no retries.
   */
  readonly retry?: RetryPolicy
  /**
   * The destination of a record on which all tries failed, or that was rejected (unless `rejection`
   * says otherwise). Default: nowhere; `run` rejects.
   */
  readonly deadLetter?: DeadLetter<K, V>
  /**
   * Stops `run`: it rejects with the signal's reason, once handlers have ended and what they did is
   * committed.
   */
  readonly signal?: AbortSignal
}

const names = ['eachRecord', 'eachBatch', 'concurrency', 'orderBy', 'retry', 'deadLetter', 'signal']

export function expectRunOptions<K, V, R, B>(options: RunOptions<K, V, R, B>): void {
  if (typeof options === 'function')
    throw new TypeError('Expected the options of run to be an object, got a function; a handler goes into it as `{ eachRecord: handler }`')
  expectKnownKeys('run', options, names)
  const { eachRecord, eachBatch, concurrency, orderBy, retry, deadLetter, signal } = options
  if (signal !== undefined) expectSignal('signal', signal)
  if ((eachRecord === undefined) === (eachBatch === undefined)) throw new TypeError('Expected one of `eachRecord` and `eachBatch`')
  if (eachRecord !== undefined) expectFunction('eachRecord', eachRecord)
  if (eachBatch !== undefined) expectFunction('eachBatch', eachBatch)
  if (concurrency !== undefined) expectInteger('concurrency', concurrency, 1)
  if (orderBy !== undefined) expectOneOf('orderBy', orderBy, ['partition', 'key'])
  if (orderBy === 'key' && eachBatch)
    throw new TypeError("Expected `eachRecord` with `orderBy: 'key'`: the records of a batch have several keys")
  if (retry !== undefined) expectRetryPolicy(retry)
  if (deadLetter === undefined || typeof deadLetter === 'function') return
  if (typeof deadLetter !== 'object' || deadLetter === null)
    throw new TypeError(`Expected \`deadLetter\` to be { topic, producer } or a function, got ${shown(deadLetter)}`)
  expectKnownKeys('deadLetter', deadLetter, ['topic', 'producer'])
  expectTopicName(deadLetter.topic, 'deadLetter.topic')
  expectFunction('deadLetter.producer.send', deadLetter.producer?.send)
}

export function expectRetryPolicy(retry: RetryPolicy): void {
  expectKnownKeys('retry', retry, ['attempts', 'backoffMs', 'maxBackoffMs'])
  if (retry.attempts !== undefined) expectInteger('retry.attempts', retry.attempts, 1)
  if (retry.backoffMs !== undefined) expectInteger('retry.backoffMs', retry.backoffMs, 0)
  if (retry.maxBackoffMs !== undefined) expectInteger('retry.maxBackoffMs', retry.maxBackoffMs, 0)
  expectNotAbove('retry.backoffMs', retry.backoffMs, 'retry.maxBackoffMs', retry.maxBackoffMs)
}
