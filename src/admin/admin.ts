import type { TopicPartition } from '../assignor/assignor.js'
import { expectBackoffs, expectCallOptions } from '../client/retry.js'
import type { Clock } from '../common/clock.js'
import { type CloseOptions, closeTimeoutMs, endOf } from '../common/closing.js'
import { guardedClock } from '../common/guarded-clock.js'
import { expectBoolean, expectFunctions, expectInteger, expectList, expectOneOf, expectOptions, expectString } from '../common/options.js'
import { guardedRandom, type Random } from '../common/random.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import { DescribeCluster } from '../protocol/messages/describe-cluster.js'
import { type AnyTopic, expectTopic, type KeyOf, type SendableOf } from '../record/topic.js'
import * as acls from './acls.js'
import { AdminContext } from './admin-context.js'
import type { AdminCallOptions, AdminOptions } from './admin-options.js'
import * as quotas from './client-quotas.js'
import * as configs from './configs.js'
import * as groupOffsets from './group-offsets.js'
import * as groups from './groups.js'
import * as keyOffsets from './key-offsets.js'
import * as offsets from './partition-offsets.js'
import * as topics from './topics.js'

const largestInt32 = 2 ** 31 - 1
const nonNegative = (name: string, value: unknown) => expectInteger(name, value, 0)
const adminChecks = {
  clientId: expectString,
  timeoutMs: (name: string, value: unknown) => expectInteger(name, value, 1),
  retryBackoffMs: nonNegative,
  retryBackoffMaxMs: nonNegative
}
const expectIsolationLevel = (name: string, value: unknown) => expectOneOf(name, value, ['read_uncommitted', 'read_committed'])

/** The parts of an admin. */
export interface AdminParts {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly random: Random
  /** Called when the admin is closed. */
  readonly onClosed?: () => void
}

export interface ClusterDescription {
  readonly clusterId: string
  readonly controllerId: number
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number; readonly rack: string | null }[]
}

/**
 * Looks after a cluster: topics, partitions, configs, groups, offsets, ACLs. For what an operator
 * or a deployment does; producers and consumers need none of it.
 *
 * ```ts
 * await using admin = cluster.admin()
 * await admin.createTopic({ name: 'orders', partitions: 6, configs: { 'retention.ms': 86_400_000 } })
 * await admin.resetGroupOffsets('analytics', { to: 'earliest' })
 * ```
 *
 * Every call takes `{ signal, timeoutMs }`, tries again where that can help, and rejects with a
 * `KafkaError` that names topic and partition. When several things of one call fail, the error is
 * that of the first, and its `cause` an `AggregateError` of all; what did not fail has happened.
 *
 * Size: one method for each call of its users.
 */
export class Admin {
  readonly #context: AdminContext
  readonly #brokers: Brokers
  readonly #clock: Clock
  readonly #onClosed: (() => void) | undefined
  #closing: Promise<void> | undefined

  /** Use `cluster.admin()`. Throws a `TypeError` for a wrong option. */
  constructor(parts: AdminParts, options: AdminOptions = {}) {
    expectFunctions('parts.brokers', parts?.brokers, ['any', 'byId'], 'brokers (`cluster.admin()` brings them along)')
    const clock = guardedClock(parts.clock)
    const random = guardedRandom(parts.random)
    expectOptions('admin', options, adminChecks)
    expectBackoffs(options)
    this.#brokers = parts.brokers
    this.#clock = clock
    this.#onClosed = parts.onClosed
    this.#context = new AdminContext(parts.brokers, clock, random, options)
  }

  /**
   * Creates a topic; resolves when it can be used. Raises TOPIC_ALREADY_EXISTS,
   * INVALID_TOPIC_EXCEPTION, INVALID_CONFIG, INVALID_PARTITIONS, …
   */
  async createTopic(topic: topics.NewTopic | string, options: topics.CreateTopicsOptions = {}): Promise<topics.CreatedTopic> {
    const [created] = await this.createTopics([topic], options)
    return created
  }

  /**
   * Creates topics, each on its own: one that is refused does not keep the others from being
   * created.
   */
  createTopics(wanted: readonly (topics.NewTopic | string)[], options: topics.CreateTopicsOptions = {}): Promise<topics.CreatedTopic[]> {
    expectCallOptions('createTopics', options, { validateOnly: expectBoolean })
    expectList('topics', wanted, 'topics')
    const named = wanted.map(topic => (typeof topic === 'string' ? { name: topic } : topic))
    for (const topic of named) topics.expectNewTopic(topic)
    return topics.createTopics(this.#context, named, options)
  }

  /**
   * Deletes topics with all that is in them. Raises UNKNOWN_TOPIC_OR_PARTITION,
   * TOPIC_DELETION_DISABLED, …
   */
  async deleteTopics(names: readonly string[], options: AdminCallOptions = {}): Promise<void> {
    expectCallOptions('deleteTopics', options)
    topics.expectNames('names', names)
    return topics.deleteTopics(this.#context, names, options)
  }

  /** All topics but the internal ones. */
  async listTopics(options: topics.ListTopicsOptions = {}): Promise<topics.TopicListing[]> {
    expectCallOptions('listTopics', options, { includeInternal: expectBoolean })
    return topics.listTopics(this.#context, options)
  }

  /**
   * Describes topics: the leader, replicas and in-sync replicas of each partition. Raises
   * UNKNOWN_TOPIC_OR_PARTITION.
   */
  async describeTopics(names: readonly string[], options: AdminCallOptions = {}): Promise<topics.TopicDescription[]> {
    expectCallOptions('describeTopics', options)
    topics.expectNames('names', names)
    return topics.describeTopics(this.#context, names, options)
  }

  /**
   * Gives a topic more partitions, `count` in all. Keys may go to other partitions from then on.
   * Raises INVALID_PARTITIONS.
   */
  async createPartitions(topic: string, count: number, options: AdminCallOptions = {}): Promise<void> {
    expectCallOptions('createPartitions', options)
    topics.expectName('topic', topic)
    expectInteger('count', count, -largestInt32, largestInt32)
    return topics.createPartitions(this.#context, topic, count, options)
  }

  /** Describes the configs of a topic or a broker, with the source of each value. */
  async describeConfigs(resource: configs.ConfigResource, options: AdminCallOptions = {}): Promise<configs.ConfigEntry[]> {
    expectCallOptions('describeConfigs', options)
    configs.expectResource(resource)
    return configs.describeConfigs(this.#context, resource, options)
  }

  /**
   * Changes the configs that are named and leaves the others; `null` takes one back to its default.
   * All or none. Raises INVALID_CONFIG.
   */
  async alterConfigs(
    resource: configs.ConfigResource,
    changes: configs.ConfigChanges,
    options: configs.AlterConfigsOptions = {}
  ): Promise<void> {
    expectCallOptions('alterConfigs', options, { validateOnly: expectBoolean })
    configs.expectResource(resource)
    configs.expectChanges(changes)
    return configs.alterConfigs(this.#context, resource, changes, options)
  }

  /** All groups of the cluster. */
  async listGroups(options: groups.ListGroupsOptions = {}): Promise<groups.GroupListing[]> {
    expectCallOptions('listGroups', options, { states: groups.expectStates })
    return groups.listGroups(this.#context, options)
  }

  /** State, members and assignments of groups. Raises GROUP_ID_NOT_FOUND. */
  async describeGroups(groupIds: readonly string[], options: AdminCallOptions = {}): Promise<groups.GroupDescription[]> {
    expectCallOptions('describeGroups', options)
    groups.expectGroupIds(groupIds)
    return groups.describeGroups(this.#context, groupIds, options)
  }

  /** Deletes groups with their offsets. Raises NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. */
  async deleteGroups(groupIds: readonly string[], options: AdminCallOptions = {}): Promise<void> {
    expectCallOptions('deleteGroups', options)
    groups.expectGroupIds(groupIds)
    return groups.deleteGroups(this.#context, groupIds, options)
  }

  /** The offsets that a group has committed. */
  async listGroupOffsets(groupId: string, options: AdminCallOptions = {}): Promise<groupOffsets.GroupOffset[]> {
    expectCallOptions('listGroupOffsets', options)
    expectString('groupId', groupId)
    return groupOffsets.listGroupOffsets(this.#context, groupId, options)
  }

  /**
   * Commits other offsets for a group that has no members, and returns them. Raises
   * NON_EMPTY_GROUP.
   */
  async resetGroupOffsets(groupId: string, options: groupOffsets.ResetOffsetsOptions): Promise<groupOffsets.GroupOffset[]> {
    expectString('groupId', groupId)
    groupOffsets.expectResetOptions(options)
    return groupOffsets.resetGroupOffsets(this.#context, groupId, options)
  }

  /**
   * Forgets what a group has committed for topics or partitions. Raises GROUP_SUBSCRIBED_TO_TOPIC,
   * GROUP_ID_NOT_FOUND.
   */
  async deleteGroupOffsets(
    groupId: string,
    partitions: readonly (string | TopicPartition)[],
    options: AdminCallOptions = {}
  ): Promise<void> {
    expectCallOptions('deleteGroupOffsets', options)
    expectString('groupId', groupId)
    offsets.expectPartitions(partitions)
    return groupOffsets.deleteGroupOffsets(this.#context, groupId, partitions, options)
  }

  /**
   * The offsets at a place in topics (all of their partitions) or single partitions: the start, the
   * end, or by time.
   */
  async listOffsets(
    partitions: readonly (string | TopicPartition)[],
    at: offsets.OffsetSpec,
    options: offsets.ListOffsetsOptions = {}
  ): Promise<offsets.ListedOffset[]> {
    expectCallOptions('listOffsets', options, { isolationLevel: expectIsolationLevel })
    offsets.expectPartitions(partitions)
    offsets.expectOffsetSpec('at', at)
    const wanted = await this.#context.call(options, limits => offsets.partitionsOf(this.#context, partitions, limits))
    return offsets.listOffsets(
      this.#context,
      wanted.map(({ topic, partition }) => ({ topic, partition, spec: at })),
      options
    )
  }

  /**
   * Finds the offset of the last record of each key, in a topic with `keyIndex`: what a conditional
   * `send` relies on (`ifKeyAt`), without a look at the records. Records of transactions that are
   * not committed do not count. Raises INVALID_CONFIG where the topic keeps no index, and
   * UNSUPPORTED_VERSION from a cluster that is not of this library.
   */
  async lastOffsets<const T extends AnyTopic | string>(
    topic: T,
    keys: readonly SendableOf<KeyOf<T>>[],
    options: keyOffsets.LastOffsetsOptions = {}
  ): Promise<keyOffsets.KeyOffset<SendableOf<KeyOf<T>>>[]> {
    expectCallOptions('lastOffsets', options, { partition: (name, value) => expectInteger(name, value, 0) })
    expectTopic('topic', topic, 'serialize')
    expectList('keys', keys, 'keys')
    return keyOffsets.lastOffsets(this.#context, topic, keys, options)
  }

  /**
   * Deletes all records before an offset of each partition; returns where the logs start now.
   * Raises OFFSET_OUT_OF_RANGE.
   */
  async deleteRecords(
    records: readonly offsets.RecordsBefore[],
    options: AdminCallOptions = {}
  ): Promise<(TopicPartition & { readonly logStartOffset: number })[]> {
    expectCallOptions('deleteRecords', options)
    offsets.expectRecordsBefore(records)
    return offsets.deleteRecords(this.#context, records, options)
  }

  /**
   * Adds ACLs: who may do what, for listeners whose `acls` are on. One that is there already is
   * left as it is. Each on its own. Raises INVALID_REQUEST, POLICY_VIOLATION (there are
   * `millrace.max.acls` already), CLUSTER_AUTHORIZATION_FAILED, and SECURITY_DISABLED from a
   * cluster elsewhere that has none.
   */
  async createAcls(created: readonly acls.NewAcl[], options: AdminCallOptions = {}): Promise<void> {
    expectCallOptions('createAcls', options)
    return acls.createAcls(this.#context, created, options)
  }

  /**
   * The ACLs that fit a filter; all of them without one. Raises CLUSTER_AUTHORIZATION_FAILED,
   * SECURITY_DISABLED.
   */
  async describeAcls(filter: acls.AclFilter = {}, options: AdminCallOptions = {}): Promise<acls.Acl[]> {
    expectCallOptions('describeAcls', options)
    return acls.describeAcls(this.#context, filter, options)
  }

  /**
   * Removes the ACLs that fit any of the filters, and returns them. An empty filter fits all.
   * Raises as `createAcls` does.
   */
  async deleteAcls(filters: readonly acls.AclFilter[], options: AdminCallOptions = {}): Promise<acls.Acl[]> {
    expectCallOptions('deleteAcls', options)
    return acls.deleteAcls(this.#context, filters, options)
  }

  /**
   * Changes how much clients may use that come in through listeners (KIP-13, KIP-124, KIP-546,
   * KIP-599, KIP-612); clients in process are not limited. Each entity on its own. Raises
   * INVALID_REQUEST, POLICY_VIOLATION (there are `millrace.max.client.quotas` already),
   * CLUSTER_AUTHORIZATION_FAILED.
   *
   * ```ts
   * await admin.alterClientQuotas([
   *   { entity: { user: 'ann' }, quotas: { producer_byte_rate: 1_048_576 } },
   *   { entity: { user: null, clientId: null }, quotas: { request_percentage: 20, consumer_byte_rate: null } }
   * ])
   * ```
   */
  async alterClientQuotas(
    alterations: readonly quotas.ClientQuotaAlteration[],
    options: quotas.AlterClientQuotasOptions = {}
  ): Promise<void> {
    expectCallOptions('alterClientQuotas', options, { validateOnly: expectBoolean })
    return quotas.alterClientQuotas(this.#context, alterations, options)
  }

  /** The quotas that fit a filter; all of them without one. Raises CLUSTER_AUTHORIZATION_FAILED. */
  async describeClientQuotas(filter: quotas.ClientQuotaFilter = {}, options: AdminCallOptions = {}): Promise<quotas.ClientQuotas[]> {
    expectCallOptions('describeClientQuotas', options)
    return quotas.describeClientQuotas(this.#context, filter, options)
  }

  /** The id of the cluster, and its brokers. */
  async describeCluster(options: AdminCallOptions = {}): Promise<ClusterDescription> {
    expectCallOptions('describeCluster', options)
    const request = { includeClusterAuthorizedOperations: false }
    const response = await this.#context.call(options, limits => this.#context.ask(DescribeCluster, request, limits))
    if (response.errorCode !== 0) throw KafkaError.fromNumber(response.errorCode, response.errorMessage)
    const { clusterId, controllerId = -1, brokers } = response
    return {
      clusterId,
      controllerId,
      brokers: brokers.map(({ brokerId, host, port, rack = null }) => ({ nodeId: brokerId, host, port, rack }))
    }
  }

  /** Ends calls under way with CLOSED; idempotent. */
  async close(options: CloseOptions = {}): Promise<void> {
    const timeoutMs = closeTimeoutMs(options)
    this.#closing ??= this.#close()
    await endOf(this.#closing, this.#clock, timeoutMs, 'The admin')
  }

  async #close(): Promise<void> {
    this.#context.close()
    try {
      await this.#brokers.close?.()
    } finally {
      this.#onClosed?.()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
