import type { Assignor, TopicPartition } from '../assignor/assignor.js'
import { cooperativeStickyAssignor } from '../assignor/cooperative-sticky.js'
import { rangeAssignor } from '../assignor/range.js'
import { expectBackoffs, longestBackoffMs } from '../client/retry.js'
import {
  expectBoolean,
  expectFunction,
  expectInteger,
  expectKnownKeys,
  expectNotAbove,
  expectOneOf,
  expectString,
  givenOptions,
  shown
} from '../common/options.js'
import { bytes, expectSerde, type Serde } from '../record/serde.js'
import type { TypedTopic } from '../record/topic.js'
import type { ConsumerRecord } from './consumer-record.js'
import { type AutoOffsetReset, expectAutoOffsetReset } from './offsets/offset-reset.js'
import { expectRejection, type Rejection } from './rejection.js'
import { expectSelectors, type TopicSelector } from './source/subscription.js'

/** The type of the keys of records from the topics `T`; `K` where a topic is given by its name. */
export type KeysOf<T, K = Uint8Array> = T extends TypedTopic<infer Key, infer _Value, infer _Name> ? Key : K
/**
 * The type of the values of records from the topics `T`; `V` where a topic is given by its name.
 */
export type ValuesOf<T, V = Uint8Array> = T extends TypedTopic<infer _Key, infer Value, infer _Name> ? Value : V
/**
 * The records of the topics `T`: one type per topic, so that a comparison of `record.topic` narrows
 * key and value.
 */
export type RecordOf<T, K = Uint8Array, V = Uint8Array> =
  T extends TypedTopic<infer Key, infer Value, infer Name>
    ? ConsumerRecord<Key, Value, Name>
    : ConsumerRecord<K, V, T extends string ? T : string>
/**
 * The options of a consumer. All are optional; names and defaults are those of Kafka's consumer.
 */
export interface ConsumerOptions<T extends TopicSelector = TopicSelector, K = Uint8Array, V = Uint8Array> {
  /**
   * The topics to read: names, typed topics, and patterns, which also take in topics that appear
   * later. Default: nothing, until `subscribe` or `assign`.
   */
  readonly topics?: readonly T[]
  /**
   * The group to share the topics with, which also remembers offsets. Default: none; the consumer
   * then reads every partition itself and commits nothing.
   */
  readonly groupId?: string
  /**
   * A lasting name for this member (KIP-345): it may restart within the session timeout without a
   * rebalance, and does not leave on close. Default: none.
   */
  readonly groupInstanceId?: string
  /** The name of this client, as brokers see it. Default: `'millrace'`. */
  readonly clientId?: string
  /** The serde of keys where a topic is given by name or pattern. Default: `bytes`. */
  readonly key?: Serde<K>
  /** The serde of values where a topic is given by name or pattern. Default: `bytes`. */
  readonly value?: Serde<V>
  /**
   * The strategies by which the group may share its partitions, preferred first. Default:
   * `[range, cooperative-sticky]`, as in Java.
   */
  readonly assignors?: readonly Assignor[]
  /**
   * The position to start at without a committed offset, or when the offset is no longer there.
   * Default: `'latest'`.
   *
   * - `'earliest'`: at the first record there is.
   * - `'latest'`: after the last one. In process that is the one before the consumer subscribed
   *   (was made with `topics`, `subscribe` or `assign` was called), so that everything sent after
   *   that is read, whenever reading begins. Elsewhere it is, as in Kafka, the last one when the
   *   offset is looked up; `start` resolves after that. Partitions that are added later, and topics
   *   that are created later, are read from their first record on.
   * - `'by_duration:PT1H'`: at the first record that is no older than an ISO 8601 duration of days,
   *   hours, minutes and seconds (KIP-1106).
   * - `'none'`: an error ends the loop, NO_OFFSET_FOR_PARTITION or OFFSET_OUT_OF_RANGE.
   *
   * An `offsetReset` event tells where reading started, and a `recordsMissed` event how many
   * records were removed before they were read.
   */
  readonly autoOffsetReset?: AutoOffsetReset
  /** True if offsets are committed as records are handled. Default: `true` with a `groupId`. */
  readonly autoCommit?: boolean
  /**
   * Milliseconds between automatic commits; a rebalance, the end of a loop and `close` commit too.
   * Default: 5000.
   */
  readonly autoCommitIntervalMs?: number
  /** True if records of open and aborted transactions are read. Default: `'read_uncommitted'`. */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed'
  /** Bytes that a broker should gather before it answers. Default: 1. */
  readonly fetchMinBytes?: number
  /**
   * Milliseconds that it may take for that. With a broker elsewhere the third `seek` or `resume`
   * within this time waits for an earlier fetch to be answered, so that they do not take a
   * connection each. Default: 500.
   */
  readonly fetchMaxWaitMs?: number
  /**
   * Bytes of one answer, and of what is fetched ahead. A batch that is larger comes through alone,
   * and so does the next batch of a partition when others, whose handlers take long, hold all of
   * it. Partitions that are paused may hold as much again; what is beyond is fetched once more when
   * they resume. Default: 50 MiB.
   */
  readonly fetchMaxBytes?: number
  /** Bytes of one partition in one answer. Default: 1 MiB. */
  readonly maxPartitionFetchBytes?: number
  /** Records in one batch of `batches()` and `eachBatch`. Default: 500. */
  readonly maxPollRecords?: number
  /**
   * Milliseconds that a record or batch may be in hand before the group gives its partitions to
   * others. Default: 300000.
   */
  readonly maxPollIntervalMs?: number
  /**
   * Milliseconds without a heartbeat after which the group takes this member for dead. Default:
   * 45000.
   */
  readonly sessionTimeoutMs?: number
  /**
   * Milliseconds between heartbeats. In process a rebalance is learnt of at once; elsewhere with
   * the next heartbeat. Default: 3000.
   */
  readonly heartbeatIntervalMs?: number
  /**
   * Milliseconds that a rebalance may wait for this member to finish what it has in hand. Default:
   * `maxPollIntervalMs`.
   */
  readonly rebalanceTimeoutMs?: number
  /** Milliseconds after which topics are looked up again. Default: 300000. */
  readonly metadataMaxAgeMs?: number
  /**
   * True if topics that are named in `topics`, `subscribe` or `assign` are created when they do not
   * exist; a typed topic as it describes itself, others with the cluster's defaults. A topic that
   * this consumer has seen is not created again after somebody deleted it: the consumer waits until
   * somebody else creates it. Default: `true`, but `false` in a process where
   * `auto.create.topics.enable` is off.
   */
  readonly allowAutoTopicCreation?: boolean
  /** Milliseconds before the first retry of a request; further ones wait longer. Default: 100. */
  readonly retryBackoffMs?: number
  /** The longest wait in milliseconds. Default: 1000. */
  readonly retryBackoffMaxMs?: number
  /**
   * True if the checksum of every batch is checked on arrival. Default: `true`, but `false` where
   * it comes out of this process's memory.
   */
  readonly checkCrcs?: boolean
  /** The treatment of a record that cannot be decoded or is not valid. Default: `'fail'`. */
  readonly rejection?: Rejection
  /**
   * Called, and awaited, when partitions have been given to this consumer, before it looks up where
   * to start: the place for `seek`. What it throws becomes an `error` event, and reading begins all
   * the same; so it does after `rebalanceTimeoutMs`.
   */
  readonly onAssigned?: (partitions: readonly TopicPartition[]) => void | Promise<void>
  /**
   * Called, and awaited, before partitions go to others, after what was in hand has been handled
   * and committed. What it throws becomes an `error` event, and the partitions go all the same; so
   * they do after `rebalanceTimeoutMs`.
   */
  readonly onRevoked?: (partitions: readonly TopicPartition[]) => void | Promise<void>
  /**
   * Called, and awaited, when partitions are gone already, because the group took this member for
   * dead. Default: `onRevoked` is called.
   */
  readonly onLost?: (partitions: readonly TopicPartition[]) => void | Promise<void>
}

const defaults = Object.freeze({
  groupId: undefined as string | undefined,
  groupInstanceId: undefined as string | undefined,
  clientId: 'millrace',
  topics: undefined as readonly TopicSelector[] | undefined,
  key: bytes as Serde<unknown>,
  value: bytes as Serde<unknown>,
  assignors: Object.freeze([rangeAssignor, cooperativeStickyAssignor]) as readonly Assignor[],
  autoOffsetReset: 'latest' as AutoOffsetReset,
  autoCommit: undefined as boolean | undefined,
  autoCommitIntervalMs: 5000,
  isolationLevel: 'read_uncommitted' as const,
  fetchMinBytes: 1,
  fetchMaxWaitMs: 500,
  fetchMaxBytes: 50 * 1024 * 1024,
  maxPartitionFetchBytes: 1024 * 1024,
  maxPollRecords: 500,
  maxPollIntervalMs: 300_000,
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 3000,
  rebalanceTimeoutMs: undefined as number | undefined,
  metadataMaxAgeMs: 300_000,
  allowAutoTopicCreation: true,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  checkCrcs: true,
  rejection: undefined as Rejection | undefined,
  onAssigned: undefined,
  onRevoked: undefined,
  onLost: undefined
})

/** The options with every default filled in. */
export type ConsumerSettings = Required<Omit<ConsumerOptions<TopicSelector, unknown, unknown>, Absent>> &
  Pick<ConsumerOptions<TopicSelector, unknown, unknown>, Exclude<Absent, 'autoCommit' | 'rebalanceTimeoutMs'>>

type Absent = 'groupId' | 'groupInstanceId' | 'topics' | 'rejection' | 'onAssigned' | 'onRevoked' | 'onLost'

const smallest: Partial<Record<keyof ConsumerOptions, number>> = {
  autoCommitIntervalMs: 1,
  fetchMinBytes: 0,
  fetchMaxWaitMs: 0,
  fetchMaxBytes: 1,
  maxPartitionFetchBytes: 1,
  maxPollRecords: 1,
  maxPollIntervalMs: 1,
  sessionTimeoutMs: 1,
  heartbeatIntervalMs: 1,
  rebalanceTimeoutMs: 1,
  metadataMaxAgeMs: 1,
  retryBackoffMs: 0,
  retryBackoffMaxMs: 0
}

const largestInt32 = 2 ** 31 - 1

/**
 * Checks what a user gave, once, and fills in the rest. Throws a `TypeError` that names the option.
 */
export function consumerSettings<T extends TopicSelector, K, V>(options: ConsumerOptions<T, K, V>): ConsumerSettings {
  expectKnownKeys('consumer', options, Object.keys(defaults))
  const given = givenOptions(options)
  for (const name of ['groupId', 'groupInstanceId', 'clientId'] as const) if (name in given) expectString(name, given[name])
  if (given.topics !== undefined) expectSelectors('topics', given.topics)
  for (const [name, minimum] of Object.entries(smallest) as [keyof ConsumerOptions, number][])
    if (name in given) expectInteger(name, given[name], minimum, largestInt32)
  for (const name of ['onAssigned', 'onRevoked', 'onLost'] as const) if (name in given) expectFunction(name, given[name])
  for (const name of ['autoCommit', 'allowAutoTopicCreation', 'checkCrcs'] as const) if (name in given) expectBoolean(name, given[name])
  if (given.autoOffsetReset !== undefined) expectAutoOffsetReset(given.autoOffsetReset)
  if (given.isolationLevel !== undefined) expectOneOf('isolationLevel', given.isolationLevel, ['read_uncommitted', 'read_committed'])
  expectRejection(given.rejection)
  for (const name of ['key', 'value'] as const) if (name in given) expectSerde(name, given[name], 'deserialize')
  if (given.assignors !== undefined) expectAssignors(given.assignors)
  const settings = { ...defaults, ...given } as typeof defaults & ConsumerOptions
  if (settings.autoCommit && settings.groupId === undefined)
    throw new TypeError('Expected a `groupId` along with `autoCommit`: offsets are committed to a group')
  if (settings.groupInstanceId !== undefined && settings.groupId === undefined)
    throw new TypeError('Expected a `groupId` along with `groupInstanceId`')
  expectBackoffs(given)
  expectNotAbove('fetchMinBytes', settings.fetchMinBytes, 'fetchMaxBytes', settings.fetchMaxBytes)
  if (settings.heartbeatIntervalMs >= settings.sessionTimeoutMs && settings.groupId !== undefined)
    throw new TypeError(
      `Expected \`heartbeatIntervalMs\` to be below \`sessionTimeoutMs\`, got ${settings.heartbeatIntervalMs} and ${settings.sessionTimeoutMs}`
    )
  return {
    ...settings,
    retryBackoffMaxMs: longestBackoffMs(given),
    autoCommit: settings.autoCommit ?? settings.groupId !== undefined,
    rebalanceTimeoutMs: settings.rebalanceTimeoutMs ?? settings.maxPollIntervalMs
  } as ConsumerSettings
}

function expectAssignors(assignors: readonly Assignor[]): void {
  if (!Array.isArray(assignors) || assignors.length === 0)
    throw new TypeError(`Expected \`assignors\` to be a list of assignors, got ${shown(assignors)}`)
  for (const assignor of assignors) {
    expectString('assignors[].name', assignor?.name)
    expectFunction('assignors[].assign', assignor.assign)
  }
}
