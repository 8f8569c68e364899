import { createAnywhere } from '../client/topic-creation.js'
import { expectInteger, expectKnownKeys, expectList, shown } from '../common/options.js'
import { zeroUuid } from '../common/uuid.js'
import { KafkaError } from '../errors.js'
import type { ResponseOf } from '../protocol/message.js'
import { CreatePartitions } from '../protocol/messages/create-partitions.js'
import { CreateTopics } from '../protocol/messages/create-topics.js'
import { DeleteTopics } from '../protocol/messages/delete-topics.js'
import { Metadata } from '../protocol/messages/metadata.js'
import type { BacklogQuota } from '../record/backlog-quota.js'
import type { Keep } from '../record/keep.js'
import { describedConfigs, type TopicConfigs } from '../record/topic.js'
import { type AdminContext, brokerTimeoutMs, throwFailures } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'

/** A topic to create; a typed topic is one. */
export interface NewTopic {
  readonly name: string
  /** Default: what the broker is configured to (`num.partitions`). */
  readonly partitions?: number
  /** Default: what the broker is configured to. */
  readonly replicationFactor?: number
  /** Kafka's topic configs, by their dotted names. */
  readonly configs?: TopicConfigs
  /**
   * The records that are kept. Default: as the cluster is configured, which is a week unless
   * changed.
   */
  readonly keep?: Keep
  /**
   * The policy for readers that fall behind. A cluster that is not of this library does not know
   * it. Default: the cluster's own.
   */
  readonly backlog?: BacklogQuota
  /**
   * True if each partition keeps where the last record of each key stands, for sending on
   * conditions. A cluster that is not of this library does not know it. Default: `false`.
   */
  readonly keyIndex?: boolean
}

export interface CreatedTopic {
  readonly name: string
  readonly id: string
  readonly partitions: number
  readonly replicationFactor: number
}

export interface CreateTopicsOptions extends AdminCallOptions {
  /** Only find out whether the topics could be created. Default: `false`. */
  readonly validateOnly?: boolean
}

export interface TopicListing {
  readonly name: string
  readonly id: string
  /** True for a topic of the cluster's own, such as `__consumer_offsets`. */
  readonly isInternal: boolean
  readonly partitions: number
}

export interface ListTopicsOptions extends AdminCallOptions {
  /** True to include the cluster's own topics. Default: `false`. */
  readonly includeInternal?: boolean
}

export interface TopicDescription {
  readonly name: string
  readonly id: string
  readonly isInternal: boolean
  readonly partitions: readonly PartitionDescription[]
}

/** The brokers of a partition, by node id. */
export interface PartitionDescription {
  readonly partition: number
  /** -1 while there is none. */
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
}

/**
 * Checks a topic to create as far as no cluster need be asked; names and numbers that no topic can
 * have are the cluster's matter.
 */
export function expectNewTopic(topic: NewTopic): void {
  if (typeof topic !== 'object' || topic === null)
    throw new TypeError(`Expected \`topics\` to hold names, typed topics or { name, partitions, … }, got ${shown(topic)}`)
  expectKnownKeys('a new topic', topic, newTopicNames)
  expectName('name', topic.name)
  if (topic.partitions !== undefined) expectInteger('partitions', topic.partitions, -largestInt32, largestInt32)
  if (topic.replicationFactor !== undefined) expectInteger('replicationFactor', topic.replicationFactor, -largestInt16, largestInt16)
  describedConfigs(topic)
}

/** The last two are those of a typed topic. */
const newTopicNames = ['name', 'partitions', 'replicationFactor', 'configs', 'keep', 'backlog', 'keyIndex', 'key', 'value']
const largestInt16 = 2 ** 15 - 1
const largestInt32 = 2 ** 31 - 1

export function expectNames(what: string, names: readonly string[]): void {
  expectList(what, names, 'topic names')
  for (const name of names) expectName(what, name)
}

export function expectName(what: string, name: unknown): void {
  if (typeof name === 'string') return
  const given = (name as { readonly name?: unknown } | null | undefined)?.name
  const hint = typeof given === 'string' ? `; its name is ${shown(given)}` : ''
  throw new TypeError(`Expected the name of a topic as \`${what}\`, got ${shown(name)}${hint}`)
}

export async function createTopics(
  context: AdminContext,
  wanted: readonly NewTopic[],
  options: CreateTopicsOptions
): Promise<CreatedTopic[]> {
  const topics = wanted.map(({ name, partitions = -1, replicationFactor = -1, ...described }) => ({
    name,
    numPartitions: partitions,
    replicationFactor,
    configs: Object.entries(describedConfigs(described) ?? {}).map(([config, value]) => ({ name: config, value: String(value) }))
  }))
  const request = { timeoutMs: brokerTimeoutMs, validateOnly: options.validateOnly ?? false }
  const created = await context.callWithinQuota(options, topics, async (some, limits) => {
    return (await createAnywhere({ ...request, topics: some }, asked => context.ask(CreateTopics, asked, limits))).topics
  })
  throwFailures(topicFailures(created))
  const names = topics.map(({ name }) => name)
  // The controller has decided; the brokers learn of it a moment later.
  const usable = { allowAutoTopicCreation: false, unknownTopicRetries: Number.POSITIVE_INFINITY }
  if (!options.validateOnly) await context.call(options, ({ signal }) => context.metadata.refresh(names, { ...usable, signal }))
  return created.map(({ name, topicId = zeroUuid, numPartitions = -1, replicationFactor = -1 }) => ({
    name,
    id: topicId,
    partitions: numPartitions,
    replicationFactor
  }))
}

export async function deleteTopics(context: AdminContext, names: readonly string[], options: AdminCallOptions): Promise<void> {
  const topics = names.map(name => ({ name, topicId: zeroUuid }))
  // Brokers that do not know ids yet take the names from a list of their own; only one of the two
  // is sent.
  const deleted = await context.callWithinQuota(options, topics, async (some, limits) => {
    return (await context.ask(DeleteTopics, { topics: some, timeoutMs: brokerTimeoutMs }, limits)).responses
  })
  throwFailures(topicFailures(deleted))
}

export async function createPartitions(context: AdminContext, topic: string, count: number, options: AdminCallOptions): Promise<void> {
  const request = { timeoutMs: brokerTimeoutMs, validateOnly: false }
  const results = await context.callWithinQuota(options, [{ name: topic, count }], async (topics, limits) => {
    return (await context.ask(CreatePartitions, { ...request, topics }, limits)).results
  })
  throwFailures(topicFailures(results))
}

export async function listTopics(context: AdminContext, options: ListTopicsOptions): Promise<TopicListing[]> {
  const topics = await context.call(options, limits => context.metadata.all(limits))
  return topics
    .filter(({ isInternal }) => options.includeInternal || !isInternal)
    .map(({ name, id, isInternal, partitions }) => ({ name, id, isInternal, partitions: partitions.length }))
}

export async function describeTopics(
  context: AdminContext,
  names: readonly string[],
  options: AdminCallOptions
): Promise<TopicDescription[]> {
  const request = { topics: names.map(name => ({ topicId: zeroUuid, name })), allowAutoTopicCreation: false }
  const response = await context.call(options, limits => context.ask(Metadata, request, limits))
  throwFailures(topicFailures(response.topics))
  return response.topics.map(described)
}

function described({
  name,
  topicId = zeroUuid,
  isInternal = false,
  partitions
}: ResponseOf<typeof Metadata>['topics'][number]): TopicDescription {
  return {
    name: name ?? '',
    id: topicId,
    isInternal,
    partitions: partitions
      .map(({ partitionIndex, leaderId, leaderEpoch = -1, replicaNodes, isrNodes }) => ({
        partition: partitionIndex,
        leaderId,
        leaderEpoch,
        replicas: replicaNodes,
        inSyncReplicas: isrNodes
      }))
      .sort((a, b) => a.partition - b.partition)
  }
}

interface TopicResult {
  readonly name: string | null
  readonly errorCode: number
  readonly errorMessage?: string | null
}

function topicFailures(results: readonly TopicResult[]): KafkaError[] {
  return results
    .filter(({ errorCode }) => errorCode !== 0)
    .map(({ name, errorCode, errorMessage }) => {
      const message = errorMessage ?? `The topic \`${name}\`: ${KafkaError.fromNumber(errorCode).message}`
      return KafkaError.fromNumber(errorCode, message, { topic: name ?? undefined })
    })
}
