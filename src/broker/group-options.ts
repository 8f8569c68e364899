import type { GroupOptions } from '../coordinator/group/group-options.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import { limitOf } from '../metadata/limits.js'
import type { Topic } from './topic.js'

/**
 * The options of groups, from the broker's configs. A topic that exists already decides how many
 * partitions it has.
 */
export function groupOptionsOf(configs: BrokerConfigs, existing: Topic | undefined): GroupOptions {
  return {
    offsetsTopicPartitions: existing?.partitions.length ?? configs.number('offsets.topic.num.partitions'),
    initialRebalanceDelayMs: configs.number('group.initial.rebalance.delay.ms'),
    minSessionTimeoutMs: configs.number('group.min.session.timeout.ms'),
    maxSessionTimeoutMs: configs.number('group.max.session.timeout.ms'),
    maxGroupSize: configs.number('group.max.size'),
    maxOffsetMetadataLength: configs.number('offset.metadata.max.bytes'),
    maxGroups: limitOf(configs, 'millrace.max.groups'),
    maxMembers: limitOf(configs, 'millrace.max.members'),
    maxOffsets: limitOf(configs, 'millrace.max.committed.offsets'),
    maxBytes: limitOf(configs, 'millrace.max.group.bytes'),
    offsetsRetentionMs: configs.number('offsets.retention.minutes') * 60_000,
    offsetsRetentionCheckIntervalMs: configs.number('offsets.retention.check.interval.ms')
  }
}
