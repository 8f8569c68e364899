import { backlogLimitConfig, backlogPolicies, backlogPolicyConfig } from '../record/backlog-quota.js'
import { keyIndexConfig, keyIndexLimitConfig } from '../record/key-index-config.js'
import { type ConfigRule, isTrue, largestLong, listOf, numberOf } from './config-value.js'

/** A config that topics have: Kafka's name for it, what may stand in it, and what it changes. */
export interface TopicConfig extends ConfigRule {
  readonly name: string
  readonly default: string
  /** The default on a storage that does not outlive the process, where that is another. */
  readonly inMemory?: string
  /** The config of the broker that gives the default to topics. */
  readonly synonym?: string
  /**
   * Kafka leaves that config of the broker without a value, so that the default is the topic's own.
   */
  readonly synonymIsUnset?: true
  /**
   * The smallest value that is taken from clients over the wire, where that is another than `min`.
   */
  readonly minForClients?: number
  /**
   * The option of the log that it becomes, and in which form. Absent where no log needs to know.
   */
  readonly logOption?: readonly [name: string, read: (value: string) => unknown]
  readonly documentation: string
}

const day = 24 * 3_600_000
const text = (value: string): string => value.trim()
/** For limits that the log knows as -1 when they do not bind. */
const limit = (value: string): number => (Number.isFinite(numberOf(value)) ? Math.max(-1, numberOf(value)) : -1)
/** Each policy once, in the order the log has for both; none means that all is kept. */
const policies = (value: string): string => [...new Set(listOf(value))].sort().join(',') || 'none'
const count = (value: string): number => Math.min(numberOf(value), Number.MAX_SAFE_INTEGER)

function throttledReplicas(value: string): string | undefined {
  const replicas = listOf(value)
  const fits = value.trim() === '*' || replicas.every(replica => /^\d+:\d+$/.test(replica))
  return fits ? undefined : 'must be `*` or a list of `partition:broker`'
}

function noTieredStorage(value: string): string | undefined {
  return isTrue(value) ? 'must be false, there is no tiered storage here' : undefined
}

/**
 * The topic configs of Kafka 4.3, with Kafka's checks, and those of millrace. Any other is refused.
 * Configs without an effect on one node are kept and shown.
 */
export const topicConfigs: readonly TopicConfig[] = [
  {
    name: 'cleanup.policy',
    type: 'list',
    default: 'delete',
    oneOf: ['delete', 'compact'],
    synonym: 'log.cleanup.policy',
    logOption: ['cleanupPolicy', policies],
    documentation:
      'What happens to old segments: `delete` removes them by age and size, `compact` removes records that a newer one of the same key replaces.'
  },
  {
    name: 'compression.gzip.level',
    type: 'int',
    default: '-1',
    min: 1,
    max: 9,
    also: -1,
    synonym: 'compression.gzip.level',
    documentation: 'The level of gzip where the broker compresses; kept only, gzip is written with its default level.'
  },
  {
    name: 'compression.lz4.level',
    type: 'int',
    default: '9',
    min: 1,
    max: 17,
    synonym: 'compression.lz4.level',
    documentation: 'The level of LZ4 where the broker compresses; kept only, LZ4 is written with its default level.'
  },
  {
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    oneOf: ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    synonym: 'compression.type',
    logOption: ['compressionType', text],
    documentation: 'The compression that batches are kept in; `producer` keeps them as they come.'
  },
  {
    name: 'compression.zstd.level',
    type: 'int',
    default: '3',
    min: -131072,
    max: 22,
    synonym: 'compression.zstd.level',
    documentation: 'The level of zstd where the broker compresses; kept only, zstd is written with its default level.'
  },
  {
    name: 'delete.retention.ms',
    type: 'long',
    default: String(day),
    min: 0,
    synonym: 'log.cleaner.delete.retention.ms',
    logOption: ['deleteRetentionMs', count],
    documentation: 'How long tombstones are kept after they were first compacted.'
  },
  {
    name: 'file.delete.delay.ms',
    type: 'long',
    default: '60000',
    min: 0,
    synonym: 'log.segment.delete.delay.ms',
    documentation: 'How long a removed file stays on the disk; kept only, files are deleted when no reader needs them.'
  },
  {
    name: 'flush.messages',
    type: 'long',
    default: largestLong,
    min: 1,
    synonym: 'log.flush.interval.messages',
    documentation: 'After how many records the log is synced to the disk; kept only, the `durability` of the storage decides.'
  },
  {
    name: 'flush.ms',
    type: 'long',
    default: largestLong,
    min: 0,
    synonym: 'log.flush.interval.ms',
    synonymIsUnset: true,
    documentation: 'How long records may stay unsynced; kept only, the `durability` of the storage decides.'
  },
  {
    name: 'follower.replication.throttled.replicas',
    type: 'list',
    default: '',
    shape: throttledReplicas,
    documentation: 'The followers whose replication is throttled, or `*`; kept only.'
  },
  {
    name: 'index.interval.bytes',
    type: 'int',
    default: '4096',
    min: 0,
    synonym: 'log.index.interval.bytes',
    logOption: ['indexIntervalBytes', count],
    documentation: 'How many bytes of batches lie between two entries of an index.'
  },
  {
    name: 'leader.replication.throttled.replicas',
    type: 'list',
    default: '',
    shape: throttledReplicas,
    documentation: 'The leaders whose replication is throttled, or `*`; kept only.'
  },
  {
    name: 'local.retention.bytes',
    type: 'long',
    default: '-2',
    min: -2,
    synonym: 'log.local.retention.bytes',
    documentation: 'How many bytes stay here of a topic in tiered storage; kept only, there is none.'
  },
  {
    name: 'local.retention.ms',
    type: 'long',
    default: '-2',
    min: -2,
    synonym: 'log.local.retention.ms',
    documentation: 'How long records stay here of a topic in tiered storage; kept only, there is none.'
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'long',
    default: largestLong,
    min: 1,
    synonym: 'log.cleaner.max.compaction.lag.ms',
    logOption: ['maxCompactionLagMs', limit],
    documentation: 'How long a record may wait for compaction, whatever the share of new bytes.'
  },
  {
    name: 'max.message.bytes',
    type: 'int',
    default: '1048588',
    min: 0,
    synonym: 'message.max.bytes',
    logOption: ['maxMessageBytes', count],
    documentation: 'The largest batch that is accepted, as compressed.'
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'long',
    default: '3600000',
    min: 0,
    synonym: 'log.message.timestamp.after.max.ms',
    logOption: ['messageTimestampAfterMaxMs', limit],
    documentation: 'How far the timestamp of a record may lie in the future.'
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'long',
    default: largestLong,
    min: 0,
    synonym: 'log.message.timestamp.before.max.ms',
    logOption: ['messageTimestampBeforeMaxMs', limit],
    documentation: 'How far the timestamp of a record may lie in the past.'
  },
  {
    name: 'message.timestamp.type',
    type: 'string',
    default: 'CreateTime',
    oneOf: ['CreateTime', 'LogAppendTime'],
    synonym: 'log.message.timestamp.type',
    logOption: ['messageTimestampType', text],
    documentation: 'Whether records keep the timestamp that they were given or get that of the append.'
  },
  {
    name: backlogLimitConfig,
    type: 'long',
    default: '-1',
    min: -1,
    synonym: backlogLimitConfig,
    documentation: 'How many bytes of a partition its live readers may have yet to read; -1 for no limit but `retention.bytes` and memory.'
  },
  {
    name: backlogPolicyConfig,
    type: 'string',
    default: 'consumer_backlog_eviction',
    inMemory: 'producer_request_hold',
    oneOf: backlogPolicies,
    synonym: backlogPolicyConfig,
    documentation:
      'What happens to a batch beyond that: `producer_request_hold` has it wait for readers, `producer_exception` refuses it, `consumer_backlog_eviction` takes it and removes what is oldest.'
  },
  {
    name: keyIndexConfig,
    type: 'boolean',
    default: 'false',
    logOption: ['keyIndex', isTrue],
    documentation: 'Whether it is kept where the last record of each key stands, so that sending can be made conditional on it.'
  },
  {
    name: keyIndexLimitConfig,
    type: 'long',
    default: '1073741824',
    min: 1,
    logOption: ['keyIndexMaxBytes', count],
    documentation: 'How many bytes of memory that may take in a partition; a key takes some 45.'
  },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'double',
    default: '0.5',
    min: 0,
    max: 1,
    synonym: 'log.cleaner.min.cleanable.ratio',
    logOption: ['minCleanableDirtyRatio', Number],
    documentation: 'The share of new bytes at which a log is compacted.'
  },
  {
    name: 'min.compaction.lag.ms',
    type: 'long',
    default: '0',
    min: 0,
    synonym: 'log.cleaner.min.compaction.lag.ms',
    logOption: ['minCompactionLagMs', count],
    documentation: 'How long records stay untouched by compaction.'
  },
  {
    name: 'min.insync.replicas',
    type: 'int',
    default: '1',
    min: 1,
    synonym: 'min.insync.replicas',
    documentation: 'How many replicas must have a batch before acks=all is answered; never more than the partition has.'
  },
  {
    name: 'preallocate',
    type: 'boolean',
    default: 'false',
    synonym: 'log.preallocate',
    documentation: 'Whether the file of a new segment is given its size at once; kept only, files get room in pieces.'
  },
  {
    name: 'remote.log.copy.disable',
    type: 'boolean',
    default: 'false',
    documentation: 'Whether a topic in tiered storage is no longer copied there; kept only.'
  },
  {
    name: 'remote.log.delete.on.disable',
    type: 'boolean',
    default: 'false',
    documentation: 'Whether what is in tiered storage goes when a topic leaves it; kept only.'
  },
  {
    name: 'remote.storage.enable',
    type: 'boolean',
    default: 'false',
    shape: noTieredStorage,
    documentation: 'Whether the topic is in tiered storage, which does not exist here.'
  },
  {
    name: 'retention.bytes',
    type: 'long',
    default: '-1',
    inMemory: '67108864',
    synonym: 'log.retention.bytes',
    logOption: ['retentionBytes', limit],
    documentation: 'How many bytes of a partition are kept; -1 for all.'
  },
  {
    name: 'retention.ms',
    type: 'long',
    default: String(7 * day),
    min: -1,
    synonym: 'log.retention.ms',
    synonymIsUnset: true,
    logOption: ['retentionMs', limit],
    documentation: 'How long records are kept; -1 for ever.'
  },
  {
    name: 'segment.bytes',
    type: 'int',
    default: '1073741824',
    inMemory: '8388608',
    min: 1,
    minForClients: 1024 * 1024,
    synonym: 'log.segment.bytes',
    logOption: ['segmentBytes', count],
    documentation: 'The size at which a segment is closed and the next one begun.'
  },
  {
    name: 'segment.index.bytes',
    type: 'int',
    default: '10485760',
    min: 4,
    synonym: 'log.index.size.max.bytes',
    logOption: ['segmentIndexBytes', count],
    documentation: 'The size at which an index is full, which closes its segment.'
  },
  {
    name: 'segment.jitter.ms',
    type: 'long',
    default: '0',
    min: 0,
    synonym: 'log.roll.jitter.ms',
    synonymIsUnset: true,
    documentation: 'How much earlier than `segment.ms` a segment may be closed; kept only, segments are closed by their own ages.'
  },
  {
    name: 'segment.ms',
    type: 'long',
    default: String(7 * day),
    min: 1,
    synonym: 'log.roll.ms',
    synonymIsUnset: true,
    logOption: ['segmentMs', count],
    documentation: 'The age at which a segment is closed.'
  },
  {
    name: 'unclean.leader.election.enable',
    type: 'boolean',
    default: 'false',
    synonym: 'unclean.leader.election.enable',
    documentation: 'Whether a replica that lacks records may become the leader; kept only, a partition has one replica.'
  }
]
