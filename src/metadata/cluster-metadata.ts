import { KafkaError } from '../errors.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import type { MetadataRecord } from './records.js'
import type { ScramCredentialState, ScramCredentials } from './scram-credentials.js'
import { collisionKey } from './topic-name.js'

/** What kinds of things have configs, by Kafka's numbers. */
export const resourceType = { topic: 2, broker: 4 } as const

/** What a reader of the records must understand: the level of Kafka 4.3. */
const metadataVersion = 30

export interface PartitionState {
  readonly partition: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** -1 while the partition has none. */
  readonly leaderId: number
  readonly leaderEpoch: number
}

export interface TopicState {
  readonly name: string
  readonly id: string
  /** By partition number. */
  readonly partitions: readonly PartitionState[]
  /** What was set on this topic, by Kafka's dotted names; with the configs that Kafka does not have, which are kept elsewhere. */
  readonly configs: ReadonlyMap<string, string>
}

interface MutableTopicState extends TopicState {
  readonly partitions: PartitionState[]
  readonly configs: Map<string, string>
}

/** Topics, partitions, configs and users of a cluster: state that only `replay` changes, rebuilt from `__cluster_metadata` on every start. */
export class ClusterMetadata {
  readonly #topics = new Map<string, MutableTopicState>()
  readonly #names = new Map<string, string>()
  readonly #collisions = new Map<string, string>()
  readonly #scramCredentials = new Map<string, Map<number, ScramCredentialState>>()
  #nextProducerId = 0

  /** All producer ids below it are taken. */
  get nextProducerId(): number {
    return this.#nextProducerId
  }

  get topics(): ReadonlyMap<string, TopicState> {
    return this.#topics
  }

  /** The users that clients made. */
  get scramCredentials(): ScramCredentials {
    return this.#scramCredentials
  }

  topicById(id: string): TopicState | undefined {
    const name = this.#names.get(id)
    return name === undefined ? undefined : this.#topics.get(name)
  }

  /** The topic of this name. Throws UNKNOWN_TOPIC_OR_PARTITION where there is none. */
  expectTopic(name: string): TopicState {
    const topic = this.#topics.get(name)
    if (!topic) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic \`${name}\``)
    return topic
  }

  /** The topic, of this name or another, that keeps `name` from being used. */
  collidingWith(name: string): string | undefined {
    return this.#collisions.get(collisionKey(name))
  }

  replay(record: MetadataRecord): void {
    switch (record.type) {
      case 'topic':
        this.#remove(this.topicById(record.topicId))
        this.#topics.set(record.name, { name: record.name, id: record.topicId, partitions: [], configs: new Map() })
        this.#names.set(record.topicId, record.name)
        this.#collisions.set(collisionKey(record.name), record.name)
        return
      case 'partition': {
        const { partitionId = -1, leader = -1, leaderEpoch = -1, replicas, isr } = record
        const partitions = this.#topicOf(this.#names.get(record.topicId), record.topicId).partitions
        partitions[partitionId] = { partition: partitionId, replicas, isr, leaderId: leader, leaderEpoch }
        return
      }
      case 'config': {
        if (record.resourceType !== resourceType.topic) return
        const { configs } = this.#topicOf(record.resourceName, record.resourceName)
        if (record.value === null) configs.delete(record.name)
        else configs.set(record.name, record.value)
        return
      }
      case 'removeTopic':
        return this.#remove(this.topicById(record.topicId))
      case 'featureLevel':
        return
      case 'producerIds':
        this.#nextProducerId = record.nextProducerId
        return
      case 'userScramCredential': {
        const { type: _, name, mechanism, ...credential } = record
        const ofUser = this.#scramCredentials.get(name) ?? new Map()
        this.#scramCredentials.set(name, ofUser.set(mechanism, credential))
        return
      }
      case 'removeUserScramCredential': {
        const ofUser = this.#scramCredentials.get(record.name)
        ofUser?.delete(record.mechanism)
        if (ofUser?.size === 0) this.#scramCredentials.delete(record.name)
        return
      }
    }
  }

  /** Records that lead to this state from an empty one, or from any earlier one of it. */
  *snapshot(): Generator<MetadataRecord, void, undefined> {
    yield { type: 'featureLevel', name: 'metadata.version', featureLevel: metadataVersion }
    if (this.#nextProducerId > 0) yield { type: 'producerIds', brokerId: -1, nextProducerId: this.#nextProducerId }
    for (const [name, credentials] of this.#scramCredentials)
      for (const [mechanism, credential] of credentials) yield { type: 'userScramCredential', name, mechanism, ...credential }
    for (const { name, id, partitions, configs } of this.#topics.values()) {
      yield { type: 'topic', name, topicId: id }
      for (const partition of partitions) yield partitionRecord(id, partition)
      for (const [config, value] of configs)
        if (!isOwnConfig(config)) yield { type: 'config', resourceType: resourceType.topic, resourceName: name, name: config, value }
    }
  }

  #topicOf(name: string | undefined, shown: string): MutableTopicState {
    const topic = name === undefined ? undefined : this.#topics.get(name)
    if (!topic) throw new KafkaError('INVALID_RECORD', `A metadata record belongs to the topic ${shown}, which does not exist`)
    return topic
  }

  #remove(topic: TopicState | undefined): void {
    if (!topic) return
    this.#topics.delete(topic.name)
    this.#names.delete(topic.id)
    this.#collisions.delete(collisionKey(topic.name))
  }
}

export function partitionRecord(topicId: string, { partition, replicas, isr, leaderId, leaderEpoch }: PartitionState): MetadataRecord {
  return {
    type: 'partition',
    partitionId: partition,
    topicId,
    replicas: [...replicas],
    isr: [...isr],
    leader: leaderId,
    leaderEpoch,
    partitionEpoch: 0
  }
}

/** What the controller decides on a request: the answer, and the records that make it true. */
export interface MetadataDecision<R> {
  readonly response: R
  readonly records: readonly MetadataRecord[]
}
