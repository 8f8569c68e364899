import { backlogLimitConfig, backlogPolicies, backlogPolicyConfig, isOwnConfig } from '../record/backlog-quota.js'
import { type ConfigRule, configProblem, largestLong, listOf, numberOf } from './config-value.js'

/** A config that topics have: Kafka's name for it, what may stand in it, and what it changes. */
export interface TopicConfig extends ConfigRule {
  readonly name: string
  readonly default: string
  /** The default on a storage that does not outlive the process, where that is another. */
  readonly inMemory?: string
  /** The config of the broker that gives the default to topics. */
  readonly synonym: string
  /** The option of the log that it becomes, and in which form. Absent where no log needs to know. */
  readonly logOption?: readonly [name: string, read: (value: string) => unknown]
  readonly documentation: string
}

const day = 24 * 3_600_000
const text = (value: string): string => value
/** For limits that the log knows as -1 when they do not bind. */
const limit = (value: string): number => (Number.isFinite(numberOf(value)) ? numberOf(value) : -1)
/** Each policy once, in the order the log has for both. */
const policies = (value: string): string => [...new Set(listOf(value))].sort().join(',')
const count = (value: string): number => Math.min(numberOf(value), Number.MAX_SAFE_INTEGER)

/** The topic configs that millrace implements. Any other is refused: a config that is taken without effect would be a lie. */
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
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    oneOf: ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    synonym: 'compression.type',
    logOption: ['compressionType', text],
    documentation: 'The compression that batches are kept in; `producer` keeps them as they come.'
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
    name: 'index.interval.bytes',
    type: 'int',
    default: '4096',
    min: 0,
    synonym: 'log.index.interval.bytes',
    logOption: ['indexIntervalBytes', count],
    documentation: 'How many bytes of batches lie between two entries of an index.'
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
    name: 'retention.bytes',
    type: 'long',
    default: '-1',
    inMemory: '67108864',
    min: -1,
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
    logOption: ['retentionMs', limit],
    documentation: 'How long records are kept; -1 for ever.'
  },
  {
    name: 'segment.bytes',
    type: 'int',
    default: '1073741824',
    inMemory: '8388608',
    min: 1,
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
    name: 'segment.ms',
    type: 'long',
    default: String(7 * day),
    min: 1,
    synonym: 'log.roll.ms',
    logOption: ['segmentMs', count],
    documentation: 'The age at which a segment is closed.'
  }
]

const byName = new Map(topicConfigs.map(config => [config.name, config]))

/** The configs that a topic is told to have: those that Kafka does not know only where they are set. */
export function shownTopicConfigs(isSet: (config: TopicConfig) => boolean): TopicConfig[] {
  return topicConfigs.filter(config => !isOwnConfig(config.name) || isSet(config))
}

export function topicConfig(name: string): TopicConfig | undefined {
  return byName.get(name)
}

/** What contradicts itself in the configs that a topic is given, if anything; what they leave out has its default. */
export function contradictionIn(given: ReadonlyMap<string, string>): string | undefined {
  const [least, most] = ['min.compaction.lag.ms', 'max.compaction.lag.ms'].map(name => given.get(name) ?? topicConfig(name)?.default ?? '0')
  if (numberOf(least) <= numberOf(most)) return undefined
  return `\`min.compaction.lag.ms\` is ${least}, more than \`max.compaction.lag.ms\`, which is ${most}`
}

/** Why a topic cannot have this config, as a sentence, or undefined when it can. */
export function topicConfigProblem(name: string, value: string): string | undefined {
  const config = byName.get(name)
  if (!config) return `There is no topic config \`${name}\` here; there are ${topicConfigs.map(known => known.name).join(', ')}`
  const problem = configProblem(config, value)
  return problem === undefined ? undefined : `Topic config \`${name}\` is \`${value}\`: ${problem}`
}

/** What a topic has when neither it nor the broker says otherwise. */
export function defaultTopicConfig(config: TopicConfig, durable: boolean): string {
  return durable ? config.default : (config.inMemory ?? config.default)
}

/** The log's options for a topic, given what each config is worth for it. */
export function logOptionsOf(current: (config: TopicConfig) => string): { [option: string]: unknown } {
  const options: { [option: string]: unknown } = {}
  for (const config of topicConfigs) if (config.logOption) options[config.logOption[0]] = config.logOption[1](current(config))
  return options
}
