import type { StateMachine } from '../common/state-machine.js'
import type { GroupOptions } from '../coordinator/group/group-options.js'
import { KafkaError } from '../errors.js'
import type { Log } from '../log/log.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import { createTopics } from '../metadata/create-topics.js'
import { limitOf } from '../metadata/limits.js'
import { groupOffsetsTopic } from '../metadata/topic-name.js'
import type { Node } from './node.js'
import type { Partition } from './partition.js'
import { StateHost, type StateLog } from './state-host.js'
import type { Topic } from './topic.js'

const segmentBytes = 4 * 1024 * 1024

/** Compaction bounds these logs, so nothing may go by age or size; a batch may be as large as a group with many members makes it. */
const configs = {
  'cleanup.policy': 'compact',
  'segment.bytes': segmentBytes,
  'max.message.bytes': segmentBytes,
  'retention.bytes': -1,
  'retention.ms': -1
} as const

/** Binds the groups of one partition of `__consumer_offsets` to its log. The topic comes into being when a group is first asked for. */
export async function openGroupHost(node: Node, partition: number, machine: StateMachine): Promise<StateHost> {
  const topic = node.topics.get(groupOffsetsTopic) ?? (await createOffsetsTopic(node))
  const found = topic.partitions[partition]
  if (!found) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `\`${groupOffsetsTopic}\` has no partition ${partition}`)
  // Without what is in its log, the groups would begin anew.
  if (found.log.isStopped) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', found.log.failure?.message)
  // In memory the state itself is a tighter bound than what compaction comes to in its turn.
  const snapshotBytes = node.storage.durable ? Number.POSITIVE_INFINITY : undefined
  const refusal = damaged.get(found.log)
  if (refusal) throw refusal
  try {
    return await StateHost.open(stateLogOf(found), machine, { clock: node.clock, snapshotBytes })
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code !== 'CORRUPT_MESSAGE') throw error
    const message = `The groups of \`${groupOffsetsTopic}\` partition ${partition} cannot be read: ${error.message}`
    const unavailable = new KafkaError('COORDINATOR_NOT_AVAILABLE', message, { cause: error })
    damaged.set(found.log, unavailable)
    throw unavailable
  }
}

/** Why logs of groups could not be read; they are not read again each time that somebody asks. */
const damaged = new WeakMap<Log, KafkaError>()

async function createOffsetsTopic(node: Node): Promise<Topic> {
  const wanted = {
    name: groupOffsetsTopic,
    numPartitions: node.groups.options.offsetsTopicPartitions,
    replicationFactor: -1,
    configs: Object.entries(configs).map(([name, value]) => ({ name, value: String(value) }))
  }
  const { topics } = await node.change(() => {
    if (node.metadata.topics.has(groupOffsetsTopic)) return { response: { topics: [] }, records: [] }
    return createTopics(node.metadata, { topics: [wanted] }, { ...node.controllerContext, isNode: true })
  })
  const topic = node.topics.get(groupOffsetsTopic)
  if (!topic) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', topics[0]?.errorMessage ?? undefined)
  return topic
}

/** Partitions of `__consumer_offsets` that hold something from an earlier run. */
export function usedGroupPartitions(topics: ReadonlyMap<string, Topic>): number[] {
  const partitions = topics.get(groupOffsetsTopic)?.partitions ?? []
  return partitions
    .filter(({ log, logStartOffset, logEndOffset }) => logEndOffset > logStartOffset && !log.isStopped)
    .map(({ partition }) => partition)
}

function stateLogOf(partition: Partition): StateLog {
  return {
    get logStartOffset() {
      return partition.logStartOffset
    },
    get logEndOffset() {
      return partition.logEndOffset
    },
    append: (batch, { origin }) => partition.append(batch, origin),
    read: (offset, maxBytes, options) => partition.log.read(offset, maxBytes, options),
    deleteRecordsBefore: offset => partition.log.deleteRecordsBefore(offset)
  }
}

/** How groups behave, as the broker's configs have it. A topic that exists already decides how many partitions it has. */
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
