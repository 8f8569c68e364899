import type { StateMachine } from '../common/state-machine.js'
import { KafkaError } from '../errors.js'
import type { Log } from '../log/log.js'
import { createTopics } from '../metadata/create-topics.js'
import type { Node } from './node.js'
import { appendToPartition, type Partition } from './partition.js'
import { StateHost, type StateLog } from './state-host.js'
import type { Topic } from './topic.js'

const segmentBytes = 4 * 1024 * 1024

/**
 * Compaction bounds these logs, so nothing may go by age or size; a batch may be as large as a
 * group with many members makes it.
 */
const configs = {
  'cleanup.policy': 'compact',
  'segment.bytes': segmentBytes,
  'max.message.bytes': segmentBytes,
  'retention.bytes': -1,
  'retention.ms': -1
} as const

/**
 * A topic that a coordinator keeps its state in. It comes into being when something in it is first
 * asked for.
 */
export interface InternalTopic {
  readonly name: string
  /** The number of partitions that it gets when it comes into being. */
  readonly partitionCount: number
  /** Its content, for messages. */
  readonly content: string
}

/** Binds the machine of one partition of an internal topic to its log. */
export async function openInternalHost(node: Node, topic: InternalTopic, partition: number, machine: StateMachine): Promise<StateHost> {
  const { name, content } = topic
  const { partitions } = node.topics.get(name) ?? (await createInternalTopic(node, topic))
  const found = partitions[partition]
  if (!found) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `\`${name}\` has no partition ${partition}`)
  // Without what is in its log, everything would begin anew.
  if (found.log.isStopped) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', found.log.failure?.message)
  // In memory the state itself is a tighter bound than what compaction comes to in its turn.
  const snapshotBytes = node.storage.durable ? Number.POSITIVE_INFINITY : undefined
  const refusal = damaged.get(found.log)
  if (refusal) throw refusal
  try {
    return await StateHost.open(stateLogOf(found), machine, { clock: node.clock, snapshotBytes })
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code !== 'CORRUPT_MESSAGE') throw error
    const message = `The ${content} of \`${name}\` partition ${partition} cannot be read: ${error.message}`
    const unavailable = new KafkaError('COORDINATOR_NOT_AVAILABLE', message, { cause: error })
    damaged.set(found.log, unavailable)
    throw unavailable
  }
}

/**
 * The errors of logs that could not be read; they are not read again each time that somebody asks.
 */
const damaged = new WeakMap<Log, KafkaError>()

async function createInternalTopic(node: Node, { name, partitionCount }: InternalTopic): Promise<Topic> {
  const wanted = {
    name,
    numPartitions: partitionCount,
    replicationFactor: -1,
    configs: Object.entries(configs).map(([config, value]) => ({ name: config, value: String(value) }))
  }
  const { topics } = await node.controller.change(() => {
    if (node.metadata.topics.has(name)) return { response: { topics: [] }, records: [] }
    return createTopics(node.metadata, { topics: [wanted] }, { ...node.controller.context, isNode: true })
  })
  const topic = node.topics.get(name)
  if (!topic) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', topics[0]?.errorMessage ?? undefined)
  return topic
}

/** Partitions of an internal topic that hold something from an earlier run. */
export function usedPartitions(topics: ReadonlyMap<string, Topic>, name: string): number[] {
  const partitions = topics.get(name)?.partitions ?? []
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
    append: (batch, { origin }) => appendToPartition(partition, batch, origin),
    read: (offset, maxBytes, options) => partition.log.read(offset, maxBytes, options),
    deleteRecordsBefore: offset => partition.log.deleteRecordsBefore(offset)
  }
}
