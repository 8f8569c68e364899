import { expectFunction, expectInteger, expectKnownKeys, expectString, givenOptions, isPlainObject, shown } from '../common/options.js'
import type { ConsumerOptions, RecordOf } from '../consumer/consumer-options.js'
import type { AutoOffsetReset } from '../consumer/offsets/offset-reset.js'
import { expectRejection, type RejectedRecord, type Rejection } from '../consumer/rejection.js'
import { expectRetryPolicy, type HandlerContext, type RetryPolicy } from '../consumer/run/run-options.js'
import { expectSelectors, type TopicSelector } from '../consumer/source/subscription.js'
import type { ProducerOptions } from '../producer/options.js'
import type { ProducerRecordOf } from '../producer/producer-record.js'
import type { Serde } from '../record/serde.js'
import { type AnyTopic, expectTopic, expectTopicName } from '../record/topic.js'

/** The second argument of `transform`. */
export interface PipeContext extends HandlerContext {
  /**
   * Sends a record to any topic, within the same transaction. To be called before `transform`
   * returns, or its promise resolves.
   */
  readonly send: <const T extends AnyTopic | string>(topic: T, record: ProducerRecordOf<T>) => void
}

/**
 * The results that `transform` may give: records for the topic `to`, one or several, or nothing.
 */
export type PipeOutput<T extends AnyTopic | string> = ProducerRecordOf<T> | Iterable<ProducerRecordOf<T>> | null | undefined | void

/** The options of a pipe. `from` and `groupId` are needed, and one of `to` and `transform`. */
export interface PipeOptions<
  F extends TopicSelector = TopicSelector,
  T extends AnyTopic | string = AnyTopic | string,
  K = Uint8Array,
  V = Uint8Array
> {
  /**
   * The topics to read: a name, a typed topic or a pattern, or several of them. Records of
   * transactions are read once those are committed.
   */
  readonly from: F | readonly F[]
  /**
   * The topic for what `transform` returns. Default: none; `transform` then sends by
   * `context.send`.
   */
  readonly to?: T
  /**
   * The group that remembers how far the pipe has come. Pipes with the same group, in any process,
   * share the partitions.
   */
  readonly groupId: string
  /**
   * Makes of a record what is to be sent: one record, several, or nothing. The records of a
   * partition are transformed one after the other. It may run more than once for a record, when a
   * transaction is aborted and tried again, so its effects elsewhere have to bear that. Default:
   * the record as it is.
   */
  readonly transform?: (record: RecordOf<F, K, V>, context: PipeContext) => PipeOutput<T> | Promise<PipeOutput<T>>
  /**
   * The number of partitions whose records are transformed at once, each by a transactional
   * producer of its own. Default: 1.
   */
  readonly concurrency?: number
  /**
   * Tries again, in place, what `transform` threw at; later records of the partition wait. Default:
   * no retries.
   */
  readonly retry?: RetryPolicy
  /**
   * The destination of a record on which all tries failed, whose output is refused
   * (MESSAGE_TOO_LARGE, for instance), or that cannot be decoded: the name of a topic, where it
   * keeps key, value and headers and gets those that `DeadLetter` names; or a function, which gives
   * records as `transform` does, or nothing. It is part of the same transaction. Default: nowhere;
   * `run` rejects, with everything before the record committed.
   */
  readonly deadLetter?:
    | string
    | ((record: RecordOf<F, K, V> | RejectedRecord, error: unknown, context: PipeContext) => PipeOutput<T> | Promise<PipeOutput<T>>)
  /**
   * The treatment of a record that cannot be decoded or is not valid. Default: `deadLetter` where
   * there is one, else `'fail'`.
   */
  readonly rejection?: Rejection
  /**
   * The most records of input in one transaction, and of one partition at a time. Default: 1000.
   */
  readonly maxTransactionRecords?: number
  /**
   * Milliseconds after which a transaction is committed when records take long; what is under way
   * is finished first. Default: 100.
   */
  readonly maxTransactionMs?: number
  /**
   * Milliseconds to wait for more records before a transaction begins. Default: 0: a transaction
   * has what is there, and the next one what has come meanwhile. More makes larger transactions,
   * which cost a cluster elsewhere less.
   */
  readonly lingerMs?: number
  /**
   * Milliseconds that a transaction may take before the cluster aborts it; it is then tried again.
   * Default: 60000.
   */
  readonly transactionTimeoutMs?: number
  /**
   * A lasting name for this pipe among those of its group (KIP-345): when the process is started
   * again it goes on at once, and aborts what it left open, where otherwise the cluster waits for
   * `sessionTimeoutMs` and `transactionTimeoutMs`. Default: none on a cluster elsewhere; on one in
   * this process, a number.
   */
  readonly instanceId?: string
  /** The position to start at without a committed offset. Default: `'earliest'`. */
  readonly autoOffsetReset?: AutoOffsetReset
  /** The serde of keys where `from` is a name or pattern. Default: `bytes`. */
  readonly key?: Serde<K>
  /** The serde of values where `from` is a name or pattern. Default: `bytes`. */
  readonly value?: Serde<V>
  /** Further options of the consumer: session timeout, fetch sizes, … */
  readonly consumer?: Omit<ConsumerOptions, OwnConsumerOptions>
  /** Further options of the producers: compression, timeouts, … */
  readonly producer?: Omit<ProducerOptions, OwnProducerOptions>
}

type OwnConsumerOptions =
  | 'topics'
  | 'groupId'
  | 'groupInstanceId'
  | 'key'
  | 'value'
  | 'autoOffsetReset'
  | 'autoCommit'
  | 'autoCommitIntervalMs'
  | 'isolationLevel'
  | 'maxPollRecords'
  | 'rejection'
type OwnProducerOptions = 'acks' | 'enableIdempotence' | 'transactionalId' | 'transactionTimeoutMs'

const ownConsumerOptions: readonly string[] = Object.keys({
  topics: true,
  groupId: true,
  groupInstanceId: true,
  key: true,
  value: true,
  autoOffsetReset: true,
  autoCommit: true,
  autoCommitIntervalMs: true,
  isolationLevel: true,
  maxPollRecords: true,
  rejection: true
} satisfies Record<OwnConsumerOptions, true>)
const ownProducerOptions: readonly string[] = Object.keys({
  acks: true,
  enableIdempotence: true,
  transactionalId: true,
  transactionTimeoutMs: true
} satisfies Record<OwnProducerOptions, true>)

const defaults = Object.freeze({
  from: undefined,
  to: undefined,
  groupId: undefined,
  transform: undefined,
  concurrency: 1,
  retry: undefined,
  deadLetter: undefined,
  rejection: undefined,
  maxTransactionRecords: 1000,
  maxTransactionMs: 100,
  lingerMs: 0,
  transactionTimeoutMs: 60_000,
  instanceId: undefined,
  autoOffsetReset: 'earliest' as AutoOffsetReset,
  key: undefined,
  value: undefined,
  consumer: Object.freeze({}),
  producer: Object.freeze({})
})

type Defaulted =
  | 'concurrency'
  | 'maxTransactionRecords'
  | 'maxTransactionMs'
  | 'lingerMs'
  | 'transactionTimeoutMs'
  | 'autoOffsetReset'
  | 'consumer'
  | 'producer'
type AnyOptions = PipeOptions<TopicSelector, AnyTopic | string, unknown, unknown>

/** The options with their defaults filled in. */
export type PipeSettings = Omit<AnyOptions, Defaulted | 'from'> &
  Required<Pick<AnyOptions, Defaulted>> & { readonly from: readonly TopicSelector[] }

/**
 * Checks what a user gave, once, and fills in the rest. Throws a `TypeError` that names the option.
 */
export function pipeSettings(options: object): PipeSettings {
  expectKnownKeys('a pipe', options, Object.keys(defaults))
  const settings = { ...defaults, ...givenOptions(options) } as unknown as Omit<PipeSettings, 'from'> & { readonly from: unknown }
  if (settings.from === undefined) throw new TypeError('Expected `from`, the topics that a pipe reads')
  const from = (Array.isArray(settings.from) ? settings.from : [settings.from]) as readonly TopicSelector[]
  expectFrom(from)
  expectString('groupId', settings.groupId)
  const { to, transform, retry, deadLetter, rejection, instanceId } = settings
  if (to !== undefined) expectTopic('to', to, 'serialize')
  if (transform !== undefined) expectFunction('transform', transform)
  else if (to === undefined) throw new TypeError('Expected `to`, or a `transform` that sends by `context.send`')
  if (retry !== undefined) expectRetryPolicy(retry)
  if (typeof deadLetter === 'string') expectTopicName(deadLetter, 'deadLetter')
  else if (deadLetter !== undefined && typeof deadLetter !== 'function')
    throw new TypeError(`Expected \`deadLetter\` to be the name of a topic or a function, got ${shown(deadLetter)}`)
  expectRejection(rejection)
  if (instanceId !== undefined) expectString('instanceId', instanceId)
  expectInteger('concurrency', settings.concurrency, 1, 10_000)
  expectInteger('maxTransactionRecords', settings.maxTransactionRecords, 1, 2 ** 31 - 1)
  expectInteger('maxTransactionMs', settings.maxTransactionMs, 1, 2 ** 31 - 1)
  expectInteger('lingerMs', settings.lingerMs, 0, 2 ** 31 - 1)
  expectInteger('transactionTimeoutMs', settings.transactionTimeoutMs, 1, 2 ** 31 - 1)
  expectFree('consumer', settings.consumer, ownConsumerOptions)
  expectFree('producer', settings.producer, ownProducerOptions)
  return { ...settings, from }
}

/** The error for a wrong topic says that it stands in `from`. */
function expectFrom(from: readonly TopicSelector[]): void {
  try {
    expectSelectors('from', from)
  } catch (error) {
    const { message } = error as Error
    throw new TypeError(message.includes('`from`') ? message : `${message}, in \`from\``)
  }
}

/** Refuses what the pipe decides itself; the rest is checked by the client. */
function expectFree(name: string, given: object, own: readonly string[]): void {
  if (!isPlainObject(given)) throw new TypeError(`Expected \`${name}\` to be an object of options, got ${shown(given)}`)
  const taken = Object.keys(given).find(key => own.includes(key))
  if (taken !== undefined)
    throw new TypeError(`Expected no \`${taken}\` in \`${name}\`: the pipe has an option for it, or decides it itself`)
}
