import { KafkaError } from '../errors.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import { AclStore } from './acls.js'
import { ClientQuotaStore } from './client-quotas.js'
import type { MetadataRecord } from './records.js'
import type { ScramCredentialState, ScramCredentials } from './scram-state.js'
import { collisionKey } from './topic-name.js'

/** The types of resources that have configs, by Kafka's numbers. */
export const resourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const

/** Resources whose configs are kept here by name alone. */
const keptByName: readonly number[] = [resourceType.broker, resourceType.clientMetrics, resourceType.group]

const noConfigs: ReadonlyMap<string, string> = new Map()

/**
 * Feature levels of a new directory: those of a new Kafka 4.3, which may open it later. Without
 * `eligible.leader.replicas.version`: with it, Kafka takes the first start of its broker for one
 * after an unclean stop and removes the only replica from the in-sync set.
 */
const newFeatures: ReadonlyMap<string, number> = new Map([
  ['metadata.version', 30],
  ['group.version', 1],
  ['transaction.version', 2],
  ['share.version', 1],
  ['streams.version', 1]
])

export interface PartitionState {
  readonly partition: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** -1 while the partition has none. */
  readonly leaderId: number
  readonly leaderEpoch: number
  /** Grows with every change of the partition. */
  readonly partitionEpoch: number
}

export interface TopicState {
  readonly name: string
  readonly id: string
  /** By partition number. */
  readonly partitions: readonly PartitionState[]
  /**
   * The configs that were set on this topic, by Kafka's dotted names; with the configs that Kafka
   * does not have, which are kept elsewhere.
   */
  readonly configs: ReadonlyMap<string, string>
}

interface MutableTopicState extends TopicState {
  readonly partitions: PartitionState[]
  readonly configs: Map<string, string>
}

/**
 * Topics, partitions, configs, users, quotas and ACLs of a cluster: state that only `replay`
 * changes, rebuilt from `__cluster_metadata` on every start.
 */
export class ClusterMetadata {
  readonly #topics = new Map<string, MutableTopicState>()
  readonly #names = new Map<string, string>()
  readonly #collisions = new Map<string, string>()
  readonly #features = new Map<string, number>()
  readonly #scramCredentials = new Map<string, Map<number, ScramCredentialState>>()
  /** The configs of brokers, client metrics and groups: by their type, then by their name. */
  readonly #configs = new Map(keptByName.map(type => [type, new Map<string, Map<string, string>>()]))
  readonly #acls = new AclStore()
  readonly #clientQuotas = new ClientQuotaStore()
  #nextProducerId = 0

  /** All producer ids below it are taken. */
  get nextProducerId(): number {
    return this.#nextProducerId
  }

  get topics(): ReadonlyMap<string, TopicState> {
    return this.#topics
  }

  /** The levels of features that a Kafka on the directory finds. */
  get features(): ReadonlyMap<string, number> {
    return this.#features
  }

  /** The users that clients made. */
  get scramCredentials(): ScramCredentials {
    return this.#scramCredentials
  }

  /**
   * The configs of a broker (the empty name stands for all), a subscription to client metrics, or a
   * group.
   */
  configsOf(type: number, name: string): ReadonlyMap<string, string> {
    return this.#configs.get(type)?.get(name) ?? noConfigs
  }

  /** The names of those of a type on which something is set. */
  configuredNames(type: number): string[] {
    return [...(this.#configs.get(type)?.keys() ?? [])]
  }

  /** The ACLs, for listeners that use them. */
  get acls(): Pick<AclStore, 'all' | 'size' | 'has' | 'matching'> {
    return this.#acls
  }

  /** The quotas of clients, for listeners. */
  get clientQuotas(): Omit<ClientQuotaStore, 'set' | 'remove'> {
    return this.#clientQuotas
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
        const { partitionId = -1, leader = -1, leaderEpoch = -1, partitionEpoch = -1, replicas, isr } = record
        const partitions = this.#topicOf(this.#names.get(record.topicId), record.topicId).partitions
        partitions[partitionId] = { partition: partitionId, replicas, isr, leaderId: leader, leaderEpoch, partitionEpoch }
        return
      }
      case 'partitionChange':
        return this.#change(record)
      case 'config': {
        if (record.resourceType !== resourceType.topic) return this.#configure(record)
        const { configs } = this.#topicOf(record.resourceName, record.resourceName)
        if (record.value === null) configs.delete(record.name)
        else configs.set(record.name, record.value)
        return
      }
      case 'removeTopic':
        return this.#remove(this.topicById(record.topicId))
      case 'featureLevel':
        if (record.featureLevel === 0) this.#features.delete(record.name)
        else this.#features.set(record.name, record.featureLevel)
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
      case 'acl': {
        const { type: _, id, ...acl } = record
        return this.#acls.add(id, acl)
      }
      case 'removeAcl':
        return this.#acls.remove(record.id)
      case 'clientQuota':
        if (record.remove) return this.#clientQuotas.remove(record.entity, record.key)
        return this.#clientQuotas.set(record.entity, record.key, record.value)
    }
  }

  /** Records that lead to this state from an empty one, or from any earlier one of it. */
  *snapshot(): Generator<MetadataRecord, void, undefined> {
    const features = this.#features.size > 0 ? this.#features : newFeatures
    for (const [name, featureLevel] of features) yield { type: 'featureLevel', name, featureLevel }
    if (this.#nextProducerId > 0) yield { type: 'producerIds', brokerId: -1, nextProducerId: this.#nextProducerId }
    for (const [name, credentials] of this.#scramCredentials)
      for (const [mechanism, credential] of credentials) yield { type: 'userScramCredential', name, mechanism, ...credential }
    for (const [type, resources] of this.#configs)
      for (const [resourceName, configs] of resources)
        for (const [name, value] of configs) yield { type: 'config', resourceType: type, resourceName, name, value }
    for (const { entity, values } of this.#clientQuotas.all)
      for (const [key, value] of values) yield { type: 'clientQuota', entity: [...entity], key, value, remove: false }
    for (const [id, acl] of this.#acls.all) yield { type: 'acl', id, ...acl }
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

  /** A record that names a leader raises the leader epoch, even where it names the same one. */
  #change(record: MetadataRecord & { readonly type: 'partitionChange' }): void {
    const { partitionId = -1, leader = leaderUnchanged, isr, replicas } = record
    const { partitions } = this.#topicOf(this.#names.get(record.topicId), record.topicId)
    const before = partitions[partitionId]
    if (!before) throw new KafkaError('INVALID_RECORD', `A metadata record changes partition ${partitionId}, which does not exist`)
    partitions[partitionId] = {
      partition: partitionId,
      replicas: replicas ?? before.replicas,
      isr: isr ?? before.isr,
      leaderId: leader === leaderUnchanged ? before.leaderId : leader,
      leaderEpoch: leader === leaderUnchanged ? before.leaderEpoch : before.leaderEpoch + 1,
      partitionEpoch: before.partitionEpoch + 1
    }
  }

  #configure({ resourceType: type, resourceName, name, value }: MetadataRecord & { readonly type: 'config' }): void {
    const ofType = this.#configs.get(type)
    if (!ofType) return
    const configs = ofType.get(resourceName) ?? new Map()
    if (value === null) configs.delete(name)
    else configs.set(name, value)
    if (configs.size === 0) ofType.delete(resourceName)
    else ofType.set(resourceName, configs)
  }

  #remove(topic: TopicState | undefined): void {
    if (!topic) return
    this.#topics.delete(topic.name)
    this.#names.delete(topic.id)
    this.#collisions.delete(collisionKey(topic.name))
  }
}

/** The leader of a change that leaves the leader as it is. */
const leaderUnchanged = -2

/**
 * A partition without a leader gets this node for it, as after a Kafka that was stopped in order.
 */
export function* elections(metadata: ClusterMetadata, nodeId: number): Generator<MetadataRecord, void, undefined> {
  for (const { id, partitions } of metadata.topics.values())
    for (const { partition, leaderId, isr, replicas } of partitions) {
      // With eligible leader replicas, Kafka leaves the in-sync set of a stopped single replica
      // empty.
      const isElectable = isr.includes(nodeId) || (isr.length === 0 && replicas.length === 1 && replicas[0] === nodeId)
      if (leaderId !== -1 || !isElectable) continue
      yield { type: 'partitionChange', topicId: id, partitionId: partition, leader: nodeId, ...(isr.length === 0 && { isr: [nodeId] }) }
    }
}

export function partitionRecord(topicId: string, state: PartitionState): MetadataRecord {
  const { partition, replicas, isr, leaderId, leaderEpoch, partitionEpoch } = state
  return {
    type: 'partition',
    partitionId: partition,
    topicId,
    replicas: [...replicas],
    isr: [...isr],
    leader: leaderId,
    leaderEpoch,
    partitionEpoch
  }
}

/** The controller's decision on a request: the response, and the records that make it true. */
export interface MetadataDecision<R> {
  readonly response: R
  readonly records: readonly MetadataRecord[]
}
