import type { Random } from '../common/random.js'
import { randomUuid } from '../common/uuid.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { CreateTopics } from '../protocol/messages/create-topics.js'
import type { BrokerConfigs } from './broker-configs.js'
import { type ClusterMetadata, type MetadataDecision, type PartitionState, partitionRecord, resourceType } from './cluster-metadata.js'
import { configSource } from './config-value.js'
import { MetadataRoom } from './limits.js'
import type { MetadataRecord } from './records.js'
import { eachNameOnce, expectOnce, refusalOf, refuse, repeatedIn } from './refusal.js'
import { contradictionIn, shownTopicConfigs, topicConfigProblem } from './topic-configs.js'
import { clusterMetadataTopic, collisionKey, isInternalTopic, topicNameProblem } from './topic-name.js'

/** The context of a controller's decision besides topics and configs. */
export interface ControllerContext {
  readonly random: Random
  /** The nodes that can hold replicas. */
  readonly nodeIds: readonly number[]
  readonly configs: BrokerConfigs
  /** The node itself asks, which alone may create the topics that the cluster keeps for itself. */
  readonly isNode?: boolean
  /** A client over the wire asks. */
  readonly isRemote?: boolean
  /**
   * Counts partitions that are created or deleted. Throws THROTTLING_QUOTA_EXCEEDED where the
   * client has to wait.
   */
  readonly mutate?: (partitions: number) => void
}

/**
 * The most partitions that one request may ask for: each one costs memory, and a number mistyped
 * should not cost it all.
 */
export const mostNewPartitions = 10_000

type Request = RequestOf<typeof CreateTopics>
type Response = ResponseOf<typeof CreateTopics>
type Wanted = Request['topics'][number]

/**
 * Decides on new topics, each on its own: one that is refused does not keep the others from being
 * created.
 */
export function createTopics(metadata: ClusterMetadata, request: Request, context: ControllerContext): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const taken = new Set<string>()
  const repeated = repeatedIn(request.topics.map(({ name }) => name))
  let room = mostNewPartitions
  const limits = new MetadataRoom(metadata, context.configs)
  const topics = eachNameOnce(request.topics).map(asked => {
    // A config that is given twice counts as it was given last.
    const wanted = { ...asked, configs: [...new Map(asked.configs?.map(config => [config.name, config])).values()] }
    try {
      expectOnce(wanted.name, repeated)
      expectFreeName(metadata, wanted.name, context)
      expectConfigs(wanted, context)
      if (taken.has(collisionKey(wanted.name)))
        refuse('INVALID_TOPIC_EXCEPTION', `\`${wanted.name}\` collides with another topic of the request`)
      const partitions = placePartitions(wanted, room, context)
      if (!isInternalTopic(wanted.name)) {
        limits.takeTopic(wanted.name)
        limits.takePartitions(wanted.name, 0, partitions.length)
      }
      context.mutate?.(partitions.length)
      room -= partitions.length
      taken.add(collisionKey(wanted.name))
      const topicId = randomUuid(context.random)
      if (!request.validateOnly) records.push(...recordsOf(wanted, topicId, partitions))
      return created(wanted, topicId, partitions, context)
    } catch (error) {
      return { name: wanted.name, ...refusalOf(error), numPartitions: -1, replicationFactor: -1, configs: [] }
    }
  })
  return { response: { topics }, records }
}

function expectFreeName(metadata: ClusterMetadata, name: string, { isNode }: ControllerContext): void {
  const problem = topicNameProblem(name)
  if (problem) refuse('INVALID_TOPIC_EXCEPTION', problem)
  if (name === clusterMetadataTopic) refuse('INVALID_REQUEST', `\`${name}\` is kept by the cluster itself`)
  if (metadata.topics.has(name)) refuse('TOPIC_ALREADY_EXISTS', `The topic \`${name}\` exists already`)
  if (isInternalTopic(name) && !isNode) refuse('INVALID_TOPIC_EXCEPTION', `\`${name}\` is created by the cluster itself`)
  const colliding = metadata.collidingWith(name)
  if (colliding !== undefined)
    refuse('INVALID_TOPIC_EXCEPTION', `\`${name}\` collides with the topic \`${colliding}\`: "." and "_" count as the same`)
}

function expectConfigs({ configs = [] }: Wanted, { isRemote }: ControllerContext): void {
  for (const { name, value } of configs) {
    const problem = value == null ? `Topic config \`${name}\` has no value` : topicConfigProblem(name, value, isRemote)
    if (problem) refuse('INVALID_CONFIG', problem)
  }
  const contradiction = contradictionIn(new Map(configs.map(({ name, value }) => [name, value ?? ''])))
  if (contradiction) refuse('INVALID_CONFIG', contradiction)
}

function placePartitions(wanted: Wanted, room: number, context: ControllerContext): PartitionState[] {
  const { assignments = [], numPartitions, replicationFactor } = wanted
  if (assignments.length > 0) {
    if (numPartitions !== -1 || replicationFactor !== -1)
      refuse('INVALID_REQUEST', 'With replicas assigned by hand, numPartitions and replicationFactor must be -1')
    expectRoom(assignments.length, room)
    return assignedPartitions(assignments, context)
  }
  const count = numPartitions === -1 ? context.configs.number('num.partitions') : numPartitions
  const replicas = replicationFactor === -1 ? context.configs.number('default.replication.factor') : replicationFactor
  if (replicas < 1) refuse('INVALID_REPLICATION_FACTOR', `A topic cannot have a replication factor of ${replicas}`)
  if (count < 1) refuse('INVALID_PARTITIONS', `A topic cannot have ${count} partitions`)
  expectRoom(count, room)
  if (replicas > context.nodeIds.length)
    refuse('INVALID_REPLICATION_FACTOR', `A replication factor of ${replicas} does not fit ${context.nodeIds.length} broker(s)`)
  return newPartitions(0, count, replicas, context)
}

export function expectRoom(count: number, room: number): void {
  if (count > room)
    refuse('POLICY_VIOLATION', `One request can ask for ${mostNewPartitions} new partitions; for these ${count} only ${room} are left`)
}

/** Partitions [from, to), their leaders spread over the nodes. */
export function newPartitions(from: number, to: number, replicas: number, { nodeIds }: ControllerContext): PartitionState[] {
  return Array.from({ length: to - from }, (_, i) =>
    newPartition(
      from + i,
      Array.from({ length: replicas }, (_, replica) => nodeIds[(from + i + replica) % nodeIds.length])
    )
  )
}

function newPartition(partition: number, replicas: readonly number[]): PartitionState {
  return { partition, replicas, isr: replicas, leaderId: replicas[0], leaderEpoch: 0, partitionEpoch: 0 }
}

function assignedPartitions(assignments: NonNullable<Wanted['assignments']>, context: ControllerContext): PartitionState[] {
  const inOrder = [...assignments].sort((a, b) => a.partitionIndex - b.partitionIndex)
  return inOrder.map(({ partitionIndex, brokerIds }, expected) => {
    if (partitionIndex !== expected) refuse('INVALID_REPLICA_ASSIGNMENT', 'Assigned partitions must count up from 0 without a gap')
    return assignedPartition(partitionIndex, brokerIds, context)
  })
}

export function assignedPartition(partition: number, brokerIds: readonly number[], { nodeIds }: ControllerContext): PartitionState {
  if (brokerIds.length === 0) refuse('INVALID_REPLICA_ASSIGNMENT', `Partition ${partition} is assigned to no broker`)
  if (new Set(brokerIds).size < brokerIds.length) refuse('INVALID_REPLICA_ASSIGNMENT', `Partition ${partition} names a broker twice`)
  const unknown = brokerIds.find(id => !nodeIds.includes(id))
  if (unknown !== undefined)
    refuse('INVALID_REPLICA_ASSIGNMENT', `Partition ${partition} is assigned to broker ${unknown}, which does not exist`)
  return newPartition(partition, brokerIds)
}

function recordsOf({ name, configs = [] }: Wanted, topicId: string, partitions: readonly PartitionState[]): MetadataRecord[] {
  return [
    { type: 'topic', name, topicId },
    ...partitions.map(partition => partitionRecord(topicId, partition)),
    ...configs.map(
      (config): MetadataRecord => ({
        type: 'config',
        resourceType: resourceType.topic,
        resourceName: name,
        name: config.name,
        value: config.value ?? null
      })
    )
  ]
}

function created(wanted: Wanted, topicId: string, partitions: readonly PartitionState[], { configs }: ControllerContext) {
  const own = new Map(wanted.configs?.map(({ name, value }) => [name, value ?? null]))
  return {
    name: wanted.name,
    topicId,
    errorCode: 0,
    errorMessage: null,
    numPartitions: partitions.length,
    replicationFactor: partitions[0].replicas.length,
    configs: shownTopicConfigs(config => own.has(config.name) || configs.isGiven(config.synonym)).map(config => ({
      name: config.name,
      value: own.get(config.name) ?? configs.topicDefault(config),
      readOnly: false,
      configSource: own.has(config.name) ? configSource.topic : (configs.topicOrigins(config)[0]?.source ?? configSource.default),
      isSensitive: false
    }))
  }
}
