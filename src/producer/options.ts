import { expectBackoffs, longestBackoffMs } from '../client/retry.js'
import {
  expectBoolean,
  expectFunction,
  expectInteger,
  expectKnownKeys,
  expectOneOf,
  expectString,
  givenOptions,
  shown
} from '../common/options.js'
import type { CompressionType } from '../record/compression/codec.js'
import { codecOf } from '../record/compression/codecs.js'
import type { Partitioner } from './partitioner.js'

/** The options of a producer. All are optional. */
export interface ProducerOptions {
  /** The name under which brokers see this producer. */
  readonly clientId?: string
  /**
   * The acknowledgement after which a record counts as delivered: `'all'`, every in-sync replica has it; `1`, the leader has it; `0`,
   * nothing is waited for, and offsets are reported as -1. Default: `'all'`. (`-1`, Kafka's number for it, means `'all'`.)
   */
  readonly acks?: 'all' | 1 | 0 | -1
  /**
   * True if each record reaches its partition once and in order, whatever fails and is tried again (KIP-98): the producer gets an id and numbers its
   * batches, of which up to five of a partition are under way at a time, and the partition tells those that come twice. It takes the right
   * IdempotentWrite on the cluster, or Write on a topic, and `acks: 'all'`. With `false` a record may come twice where an answer got lost, and one
   * batch of a partition is under way at a time. Default: `true` with `acks: 'all'`, else `false`.
   */
  readonly enableIdempotence?: boolean
  /**
   * The name under which the producer runs transactions (KIP-98): all that is sent in one is read by `read_committed` consumers, or nothing. The cluster
   * knows one producer by it at a time: the next that begins with the name fences the one before, and aborts what it has left open. Records are then sent in
   * transactions alone, see `Producer.transaction`. Needs `enableIdempotence`, and a cluster with version 2 of transactions (Kafka 4.0, millrace). Default: none.
   */
  readonly transactionalId?: string
  /** Milliseconds that a transaction may take before the cluster aborts it and fences the producer. Default: 60000. */
  readonly transactionTimeoutMs?: number
  /** The compression of batches. Default: `'none'`. */
  readonly compression?: CompressionType
  /**
   * Bytes, before compression, at which a batch is closed; also how much goes to one partition before records without a key move on to
   * another (KIP-794). A record larger than this travels alone. Default: 65536. What a batch costs (header, checksum, request, append) is shared
   * by its records: with Kafka's own 16384 a record of 100 bytes costs an eighth more, with 131072 only a fiftieth less.
   */
  readonly batchSize?: number
  /**
   * Milliseconds that a batch waits for more records before it is sent. Default: 0: all that is sent in one synchronous stretch goes
   * together, and what comes while a batch of the partition is under way forms the next one.
   */
  readonly lingerMs?: number
  /**
   * Bytes of records that may wait to be sent or acknowledged. Beyond it, `send` and `sendBatch` wait their turn, up to `maxBlockMs`.
   * Default: 33554432, 32 MiB.
   */
  readonly bufferMemory?: number
  /** Bytes that a request may have, and a record, in a batch of its own, before compression; a larger one is refused. Default: 1048576, 1 MiB. */
  readonly maxRequestSize?: number
  /** Milliseconds from handing a record over until it is given up, with all its retries in between. Default: 120000. */
  readonly deliveryTimeoutMs?: number
  /** Milliseconds to wait for the response to one request before it is tried again. Default: 30000. */
  readonly requestTimeoutMs?: number
  /** Milliseconds before the first retry; each further one waits twice as long, give or take a fifth. Default: 100. */
  readonly retryBackoffMs?: number
  /** The longest wait before a retry. Default: 1000. */
  readonly retryBackoffMaxMs?: number
  /** Milliseconds that `send` may wait for room in the buffer or for a topic to be found. Default: 60000. */
  readonly maxBlockMs?: number
  /** Chooses the partition of records that name none. Default: murmur2 of the key, as Kafka; without a key, one partition for a batch at a time. */
  readonly partitioner?: Partitioner
  /**
   * True if a topic that does not exist is created by sending to it, where the cluster allows that; a typed topic gets the partitions and configs it
   * describes. Default: `true`.
   */
  readonly allowAutoTopicCreation?: boolean
  /** Milliseconds after which a producer looks again how many partitions a topic has. Default: 300000. */
  readonly metadataMaxAgeMs?: number
  /**
   * Milliseconds after which a topic that nothing is sent to is forgotten, as Kafka's
   * `metadata.max.idle.ms`: a producer that writes to ever new topics does not ask for all of them
   * again and again. The next send looks the topic up anew. Default: 300000, five minutes.
   */
  readonly metadataMaxIdleMs?: number
}

export const producerDefaults = Object.freeze({
  clientId: 'millrace',
  acks: 'all',
  compression: 'none',
  batchSize: 65_536,
  lingerMs: 0,
  bufferMemory: 32 * 1024 * 1024,
  maxRequestSize: 1024 * 1024,
  deliveryTimeoutMs: 120_000,
  requestTimeoutMs: 30_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  maxBlockMs: 60_000,
  transactionTimeoutMs: 60_000,
  allowAutoTopicCreation: true,
  metadataMaxAgeMs: 300_000,
  metadataMaxIdleMs: 300_000
} as const satisfies ProducerOptions)

/** The options with their defaults filled in. */
export interface ProducerSettings extends Required<Omit<ProducerOptions, 'partitioner' | 'acks' | 'transactionalId'>> {
  readonly transactionalId: string | null
  readonly partitioner: Partitioner | undefined
  /** As it stands in requests: -1 is `'all'`. */
  readonly acks: -1 | 0 | 1
}

export function producerSettings(options: ProducerOptions): ProducerSettings {
  expectKnownKeys('a producer', options, [...Object.keys(producerDefaults), 'partitioner', 'enableIdempotence', 'transactionalId'])
  const given = givenOptions(options)
  const settings = { ...producerDefaults, partitioner: undefined, enableIdempotence: undefined, transactionalId: null, ...given }
  expectString('clientId', settings.clientId)
  expectOneOf('acks', settings.acks, ['all', 1, 0, -1])
  if (settings.enableIdempotence !== undefined) expectBoolean('enableIdempotence', settings.enableIdempotence)
  const acks = settings.acks === 'all' ? -1 : settings.acks
  if (settings.enableIdempotence && acks !== -1)
    throw new TypeError(`Expected \`acks\` to be 'all', which \`enableIdempotence\` needs, got \`${settings.acks}\``)
  const enableIdempotence = settings.enableIdempotence ?? acks === -1
  expectInteger('transactionTimeoutMs', settings.transactionTimeoutMs, 1, 2 ** 31 - 1)
  if (given.transactionalId !== undefined) {
    if (typeof settings.transactionalId !== 'string' || settings.transactionalId === '')
      throw new TypeError(`Expected \`transactionalId\` to be a string that is not empty, got ${shown(settings.transactionalId)}`)
    if (!enableIdempotence) throw new TypeError("Expected no `transactionalId` without `enableIdempotence`, which takes `acks: 'all'`")
  }
  expectOneOf('compression', settings.compression, ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
  if (settings.compression !== 'none') codecOf(settings.compression)
  expectInteger('batchSize', settings.batchSize, 1, 2 ** 30)
  expectInteger('lingerMs', settings.lingerMs, 0)
  expectInteger('bufferMemory', settings.bufferMemory, 1)
  expectInteger('maxRequestSize', settings.maxRequestSize, 1, 2 ** 30)
  expectInteger('deliveryTimeoutMs', settings.deliveryTimeoutMs, 1)
  if (settings.deliveryTimeoutMs <= settings.lingerMs) {
    const { lingerMs, deliveryTimeoutMs } = settings
    throw new TypeError(`Expected \`deliveryTimeoutMs\` to be more than \`lingerMs\`, ${lingerMs}, got \`${deliveryTimeoutMs}\``)
  }
  expectInteger('requestTimeoutMs', settings.requestTimeoutMs, 1, 2 ** 31 - 1)
  // A request ends with the time for delivery where only one of the two is given.
  if (given.requestTimeoutMs !== undefined && given.deliveryTimeoutMs !== undefined) {
    const { lingerMs, requestTimeoutMs, deliveryTimeoutMs } = settings
    if (deliveryTimeoutMs < lingerMs + requestTimeoutMs)
      throw new TypeError(
        `Expected \`deliveryTimeoutMs\` to be at least \`lingerMs\` and \`requestTimeoutMs\` together, ${lingerMs + requestTimeoutMs}, got \`${deliveryTimeoutMs}\``
      )
  }
  expectInteger('retryBackoffMs', settings.retryBackoffMs, 0)
  expectInteger('retryBackoffMaxMs', settings.retryBackoffMaxMs, 0)
  expectBackoffs(given)
  expectInteger('maxBlockMs', settings.maxBlockMs, 0)
  expectInteger('metadataMaxAgeMs', settings.metadataMaxAgeMs, 0)
  expectInteger('metadataMaxIdleMs', settings.metadataMaxIdleMs, 1)
  expectBoolean('allowAutoTopicCreation', settings.allowAutoTopicCreation)
  if (settings.partitioner !== undefined) expectFunction('partitioner', settings.partitioner)
  return { ...settings, enableIdempotence, retryBackoffMaxMs: longestBackoffMs(given), acks }
}
