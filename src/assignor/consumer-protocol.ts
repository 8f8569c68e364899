import { readInt16 } from '../common/bytes.js'
import { grouped } from '../common/grouped.js'
import { KafkaError } from '../errors.js'
import { decodeMessage, writeMessage } from '../protocol/codec.js'
import { array, bytes, int32, type Schema, type SchemaMessage, schema, string } from '../protocol/message.js'
import { MessageWriter } from '../protocol/message-writer.js'
import { compareText, type TopicPartition } from './assignor.js'

/**
 * The messages that members of a consumer group send each other through the coordinator, which does
 * not look inside:
 *     subscription, assignment := version: int16, the message at that version
 * A version newer than the newest known is read as the newest: later ones only ever add fields at
 * the end.
 */
export const consumerProtocolType = 'consumer'

const newestVersion = 3

const subscriptionSchema = schema({
  name: 'ConsumerProtocolSubscription',
  versions: '0-3',
  flexible: 'none',
  fields: {
    topics: array(string()),
    userData: bytes({ nullable: '0+', default: null }),
    ownedPartitions: array({ topic: string(), partitions: array(int32()) }, { versions: '1+', default: [] }),
    generationId: int32({ versions: '2+', default: -1 }),
    rackId: string({ versions: '3+', nullable: '3+', default: null })
  }
})

const assignmentSchema = schema({
  name: 'ConsumerProtocolAssignment',
  versions: '0-3',
  flexible: 'none',
  fields: {
    assignedPartitions: array({ topic: string(), partitions: array(int32()) }),
    userData: bytes({ nullable: '0+', default: null })
  }
})

/**
 * The topics that a member of a consumer group wants and the partitions that it has, as they stand
 * in the metadata of JoinGroup.
 */
export interface ConsumerSubscription {
  readonly topics: readonly string[]
  readonly userData?: Uint8Array | null
  /** From version 1 (KIP-429). */
  readonly ownedPartitions?: readonly TopicPartition[]
  /** From version 2 (KIP-792); -1 for none. */
  readonly generationId?: number
  /** From version 3 (KIP-881). */
  readonly rackId?: string | null
}

/**
 * The partitions that a member of a consumer group gets, as they stand in the assignment of
 * SyncGroup.
 */
export interface ConsumerAssignment {
  readonly partitions: readonly TopicPartition[]
  readonly userData?: Uint8Array | null
}

/** The bytes of a subscription, with topics and partitions in order, as Java writes them. */
export function encodeSubscription(subscription: ConsumerSubscription, version: number = newestVersion): Uint8Array {
  const owned = [...(subscription.ownedPartitions ?? [])]
  owned.sort((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition)
  return encode(subscriptionSchema, version, {
    topics: [...subscription.topics].sort(compareText),
    userData: subscription.userData ?? null,
    ownedPartitions: partitionsByTopic(owned),
    generationId: subscription.generationId ?? -1,
    rackId: subscription.rackId ?? null
  })
}

/** Throws a `KafkaError` INVALID_REQUEST for anything that is not a subscription. */
export function decodeSubscription(bytes: Uint8Array): Required<ConsumerSubscription> {
  const { topics, userData, ownedPartitions, generationId, rackId } = decode(subscriptionSchema, bytes)
  return {
    topics,
    userData: userData ?? null,
    ownedPartitions: topicPartitions(ownedPartitions ?? []),
    generationId: generationId ?? -1,
    rackId: rackId || null
  }
}

/**
 * Only the topics of a subscription, which stand first in every version: what a coordinator needs,
 * and can read of versions to come.
 */
export function decodeSubscribedTopics(bytes: Uint8Array): string[] {
  return decode(subscriptionSchema, bytes, 0).topics
}

/** The bytes of an assignment; topics in the order of their first partition. */
export function encodeAssignment(assignment: ConsumerAssignment, version: number = newestVersion): Uint8Array {
  return encode(assignmentSchema, version, {
    assignedPartitions: partitionsByTopic(assignment.partitions),
    userData: assignment.userData ?? null
  })
}

/**
 * Throws a `KafkaError` INVALID_REQUEST for anything that is not an assignment. No bytes at all are
 * an empty assignment.
 */
export function decodeAssignment(bytes: Uint8Array): Required<ConsumerAssignment> {
  if (bytes.length === 0) return { partitions: [], userData: null }
  const { assignedPartitions, userData } = decode(assignmentSchema, bytes)
  return { partitions: topicPartitions(assignedPartitions), userData: userData ?? null }
}

/** Partitions of one topic, in Kafka's way of grouping them. */
export interface PartitionsOfTopic {
  topic: string
  partitions: number[]
}

/** Groups partitions by topic; topics come in the order of their first partition. */
export function partitionsByTopic(partitions: readonly TopicPartition[]): PartitionsOfTopic[] {
  return Array.from(
    grouped(partitions, ({ topic }) => topic),
    ([topic, ofTopic]) => ({ topic, partitions: ofTopic.map(({ partition }) => partition) })
  )
}

export function topicPartitions(byTopic: readonly PartitionsOfTopic[]): TopicPartition[] {
  return byTopic.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })))
}

function encode<S extends Schema>(schema: S, version: number, message: SchemaMessage<S>): Uint8Array {
  const writer = new MessageWriter()
  writer.int16(version)
  writeMessage(writer, schema, Math.min(version, newestVersion), message)
  return writer.bytes()
}

function decode<S extends Schema>(schema: S, bytes: Uint8Array, newest = newestVersion): SchemaMessage<S> {
  const version = bytes.length < 2 ? -1 : readInt16(bytes, 0)
  if (version < 0) throw new KafkaError('INVALID_REQUEST', `The ${schema.name} is malformed: it has no valid version`)
  return decodeMessage(schema, Math.min(version, newest), bytes, 2) as SchemaMessage<S>
}
