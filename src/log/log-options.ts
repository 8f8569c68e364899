import { expectBoolean, expectFraction, expectInteger, expectKnownKeys, expectNotAbove, expectOneOf } from '../common/options.js'

/**
 * The options of a log. The names are those of Kafka's topic configs, camelCased, and so are the
 * defaults, but for the size of a log that is kept in memory. A value of -1 means "no limit" where
 * that is said.
 */
export interface LogOptions {
  /**
   * Size at which a segment is closed and the next one begun, in bytes. Default: 1 GiB on a durable
   * storage, 8 MiB in memory. A batch that is larger than this is refused.
   */
  readonly segmentBytes?: number
  /** Age at which a segment is closed, by the timestamps of its records, in ms. Default: 7 days. */
  readonly segmentMs?: number
  /**
   * Largest size of each of a segment's indexes, in bytes; the segment is closed when one is full.
   * Default: 10 MiB.
   */
  readonly segmentIndexBytes?: number
  /** The number of bytes of batches between two entries of an index. Default: 4096. */
  readonly indexIntervalBytes?: number
  /**
   * The number of bytes of a log that are kept, -1 for all. Default: all on a durable storage, 64
   * MiB in memory. Only whole segments go, the oldest first, and only while no less than this
   * remains; so a log takes at most `retentionBytes` + `segmentBytes`: 72 MiB per partition in
   * memory.
   */
  readonly retentionBytes?: number
  /**
   * The time for which records are kept, by the largest timestamp of their segment, in ms; -1 for
   * ever. Default: 7 days.
   */
  readonly retentionMs?: number
  /**
   * True if old segments are deleted, or records with a newer one of the same key compacted away,
   * or both, or (`'none'`, an empty `cleanup.policy`) neither. Default: `'delete'`.
   */
  readonly cleanupPolicy?: CleanupPolicy
  /**
   * The share of a compacted log's bytes, from 0 to 1, that must have come since it was last
   * cleaned before it is cleaned again. Default: 0.5, so that at most half of a log is superseded
   * records.
   */
  readonly minCleanableDirtyRatio?: number
  /**
   * The time for which compaction leaves a record alone, by the largest timestamp of its segment,
   * in ms. Default: 0.
   */
  readonly minCompactionLagMs?: number
  /**
   * The longest time that a record may stay uncompacted, whatever the ratio, in ms; -1 for any
   * time. Default: -1.
   */
  readonly maxCompactionLagMs?: number
  /**
   * The time for which tombstones, and the markers of transactions, are kept after they were first
   * compacted, in ms. Default: 24 hours.
   */
  readonly deleteRetentionMs?: number
  /**
   * Largest batch that is accepted, in bytes, header included and as compressed. Default: 1048588.
   */
  readonly maxMessageBytes?: number
  /**
   * The compression batches are kept in; those that come in another are compressed anew. Default:
   * `'producer'`, as they come.
   */
  readonly compressionType?: LogCompression
  /**
   * True if records keep the timestamp they were given or get that of the append. Default:
   * `'CreateTime'`.
   */
  readonly messageTimestampType?: 'CreateTime' | 'LogAppendTime'
  /**
   * The longest time by which a given timestamp may lie in the past, in ms; -1 for any distance.
   * Default: -1.
   */
  readonly messageTimestampBeforeMaxMs?: number
  /**
   * The longest time by which a given timestamp may lie in the future, in ms; -1 for any distance.
   * Default: 1 hour.
   */
  readonly messageTimestampAfterMaxMs?: number
  /**
   * True if it is kept where the last record of each key stands, so that appends can be made
   * conditional on it. A key takes some 45 bytes of memory, however long it is. Default: `false`.
   */
  readonly keyIndex?: boolean
  /**
   * The most memory of that index, in bytes; beyond it conditional appends on keys are refused with
   * POLICY_VIOLATION. Default: 1 GiB.
   */
  readonly keyIndexMaxBytes?: number
}

export type CleanupPolicy = 'delete' | 'compact' | 'compact,delete' | 'delete,compact' | 'none'

const cleanupPolicies: readonly CleanupPolicy[] = ['delete', 'compact', 'compact,delete', 'delete,compact', 'none']
export type LogCompression = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
/** The options of a log, with the defaults of those that were not given. */
export type CompleteLogOptions = Required<LogOptions>

const hourMs = 3_600_000
const weekMs = 7 * 24 * hourMs
const mebibyte = 1024 * 1024

/** Kafka's defaults, for a log on a durable storage. */
export const durableLogDefaults: CompleteLogOptions = Object.freeze({
  segmentBytes: 1024 * mebibyte,
  segmentMs: weekMs,
  segmentIndexBytes: 10 * mebibyte,
  indexIntervalBytes: 4096,
  retentionBytes: -1,
  retentionMs: weekMs,
  cleanupPolicy: 'delete',
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: -1,
  deleteRetentionMs: 24 * hourMs,
  maxMessageBytes: 1048588,
  compressionType: 'producer',
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: -1,
  messageTimestampAfterMaxMs: hourMs,
  keyIndex: false,
  keyIndexMaxBytes: 1024 * mebibyte
})

/** The defaults for a log in memory: the same, but bounded to 72 MiB. */
export const memoryLogDefaults: CompleteLogOptions = Object.freeze({
  ...durableLogDefaults,
  segmentBytes: 8 * mebibyte,
  retentionBytes: 64 * mebibyte
})

const names = Object.keys(durableLogDefaults)
const maxInt32 = 2 ** 31 - 1

/** `given` over `defaults`, checked. */
export function completeLogOptions(given: LogOptions, defaults: CompleteLogOptions): CompleteLogOptions {
  expectKnownKeys('a log', given, names)
  const options: Record<string, unknown> = { ...defaults }
  for (const [name, value] of Object.entries(given)) if (value !== undefined) options[name] = value
  const complete = options as unknown as CompleteLogOptions
  expectInteger('segmentBytes', complete.segmentBytes, 1, maxInt32)
  expectInteger('segmentMs', complete.segmentMs, 1)
  expectInteger('segmentIndexBytes', complete.segmentIndexBytes, 4, maxInt32)
  expectInteger('indexIntervalBytes', complete.indexIntervalBytes, 0, maxInt32)
  expectInteger('retentionBytes', complete.retentionBytes, -1)
  expectInteger('retentionMs', complete.retentionMs, -1)
  expectOneOf('cleanupPolicy', complete.cleanupPolicy, cleanupPolicies)
  expectFraction('minCleanableDirtyRatio', complete.minCleanableDirtyRatio)
  expectInteger('minCompactionLagMs', complete.minCompactionLagMs, 0)
  expectInteger('maxCompactionLagMs', complete.maxCompactionLagMs, -1)
  const { minCompactionLagMs, maxCompactionLagMs } = complete
  if (maxCompactionLagMs >= 0) expectNotAbove('minCompactionLagMs', minCompactionLagMs, 'maxCompactionLagMs', maxCompactionLagMs)
  expectInteger('deleteRetentionMs', complete.deleteRetentionMs, 0)
  expectInteger('maxMessageBytes', complete.maxMessageBytes, 0, maxInt32)
  expectOneOf('compressionType', complete.compressionType, ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'])
  expectOneOf('messageTimestampType', complete.messageTimestampType, ['CreateTime', 'LogAppendTime'])
  expectInteger('messageTimestampBeforeMaxMs', complete.messageTimestampBeforeMaxMs, -1)
  expectInteger('messageTimestampAfterMaxMs', complete.messageTimestampAfterMaxMs, -1)
  expectBoolean('keyIndex', complete.keyIndex)
  expectInteger('keyIndexMaxBytes', complete.keyIndexMaxBytes, 1)
  return Object.freeze(complete)
}

export function deletesOldSegments(options: CompleteLogOptions): boolean {
  return options.cleanupPolicy.includes('delete')
}

export function compacts(options: CompleteLogOptions): boolean {
  return options.cleanupPolicy.includes('compact')
}

/** The age at which a segment is closed: compaction must come to its records in time. */
export function rollAfterMs(options: CompleteLogOptions): number {
  const { segmentMs, maxCompactionLagMs } = options
  return compacts(options) && maxCompactionLagMs > 0 ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs
}
