import { errorCodeOf } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import { AddConditionsToTxn } from '../../src/protocol/messages/add-conditions-to-txn.js'
import { AddOffsetsToTxn } from '../../src/protocol/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.js'
import { AlterClientQuotas } from '../../src/protocol/messages/alter-client-quotas.js'
import { AlterConfigs } from '../../src/protocol/messages/alter-configs.js'
import { AlterPartitionReassignments } from '../../src/protocol/messages/alter-partition-reassignments.js'
import { AlterReplicaLogDirs } from '../../src/protocol/messages/alter-replica-log-dirs.js'
import { AlterUserScramCredentials } from '../../src/protocol/messages/alter-user-scram-credentials.js'
import { ConditionalAppend } from '../../src/protocol/messages/conditional-append.js'
import { CreateAcls } from '../../src/protocol/messages/create-acls.js'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteAcls } from '../../src/protocol/messages/delete-acls.js'
import { DeleteGroups } from '../../src/protocol/messages/delete-groups.js'
import { DeleteRecords } from '../../src/protocol/messages/delete-records.js'
import { DescribeAcls } from '../../src/protocol/messages/describe-acls.js'
import { DescribeClientQuotas } from '../../src/protocol/messages/describe-client-quotas.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { DescribeGroups } from '../../src/protocol/messages/describe-groups.js'
import { DescribeLogDirs } from '../../src/protocol/messages/describe-log-dirs.js'
import { DescribeProducers } from '../../src/protocol/messages/describe-producers.js'
import { DescribeQuorum } from '../../src/protocol/messages/describe-quorum.js'
import { DescribeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.js'
import { DescribeTransactions } from '../../src/protocol/messages/describe-transactions.js'
import { DescribeUserScramCredentials } from '../../src/protocol/messages/describe-user-scram-credentials.js'
import { ElectLeaders } from '../../src/protocol/messages/elect-leaders.js'
import { EndTxn } from '../../src/protocol/messages/end-txn.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { FindCoordinator } from '../../src/protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../src/protocol/messages/leave-group.js'
import { ListConfigResources } from '../../src/protocol/messages/list-config-resources.js'
import { ListKeyOffsets } from '../../src/protocol/messages/list-key-offsets.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { ListPartitionReassignments } from '../../src/protocol/messages/list-partition-reassignments.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetDelete } from '../../src/protocol/messages/offset-delete.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { OffsetForLeaderEpoch } from '../../src/protocol/messages/offset-for-leader-epoch.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { SyncGroup } from '../../src/protocol/messages/sync-group.js'
import { TxnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.js'
import { UpdateFeatures } from '../../src/protocol/messages/update-features.js'
import { WriteTxnMarkers } from '../../src/protocol/messages/write-txn-markers.js'
import { batch, fetchRequest, produceRequest } from './helpers.js'

/** What asking needs to know of the cluster that is asked. */
export interface Known {
  readonly ordersId: string
  readonly nodeId: string
}

export function commit(client: Pick<Broker, 'request'>, groupId = 'g', name = 'orders') {
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
  return client.request(OffsetCommit, { groupId, generationIdOrMemberEpoch: -1, memberId: '', topics: [{ name, partitions }] })
}

/** All error codes in a response that are not 0, by name, wherever they stand. */
export function errorsIn(response: unknown): string[] {
  const found: string[] = []
  const look = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) look(each)
    else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array))
      for (const [name, each] of Object.entries(value)) {
        if (/errorCode$/i.test(name) && each !== 0) found.push(errorCodeOf(each as number))
        else look(each)
      }
  }
  look(response)
  return [...new Set(found)]
}

export const anyAcl = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1
}
const configsOf = (resourceType: number, resourceName: string) => ({ resourceType, resourceName, configurationKeys: null })
const change = { name: 'retention.ms', value: '1000' }
export const topicError = ['TOPIC_AUTHORIZATION_FAILED']
const groupError = ['GROUP_AUTHORIZATION_FAILED']
const clusterError = ['CLUSTER_AUTHORIZATION_FAILED']
const idError = ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED']

const unknownProducer = { transactionalId: 'u', producerId: 999, producerEpoch: 0 }
const orders = [{ name: 'orders', partitions: [0] }]
const addition = {
  v3AndBelowTransactionalId: 'u',
  v3AndBelowProducerId: 999,
  v3AndBelowProducerEpoch: 0,
  v3AndBelowTopics: orders
}
const offsetsInTransaction = {
  ...unknownProducer,
  groupId: 'g',
  topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }] }]
}

/** What is asked, the error without a right, and each list of ACLs with which it is answered; then with the error given, if any. */
export const accessTable: [
  what: string,
  ask: (client: Pick<Broker, 'request'>, known: Known) => unknown,
  denied: string[],
  allowedBy: string[][],
  then?: string[]
][] = [
  [
    'Produce',
    client => client.request(Produce, produceRequest('orders', 0, batch('c'))),
    topicError,
    [['write topic orders'], ['all topic *']]
  ],
  [
    'Produce by topic id',
    (client, { ordersId }) =>
      client.request(Produce, {
        ...produceRequest('', 0, batch('c')),
        topicData: [{ topicId: ordersId, partitionData: [{ index: 0, records: batch('c') }] }]
      }),
    topicError,
    [['write topic orders']]
  ],
  [
    'ConditionalAppend',
    client => client.request(ConditionalAppend, { timeoutMs: 1000, topic: 'orders', partition: 0, records: batch('c'), keys: [] }),
    topicError,
    [['write topic orders'], ['all topic *']]
  ],
  [
    'ListKeyOffsets',
    client => client.request(ListKeyOffsets, { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, keys: [] }] }] }),
    topicError,
    [['read topic orders'], ['write topic orders']],
    ['INVALID_CONFIG']
  ],
  ['Fetch', client => client.request(Fetch, fetchRequest('orders', [0], { maxWaitMs: 0 })), topicError, [['read topic orders']]],
  [
    'ListOffsets',
    client =>
      client.request(ListOffsets, { replicaId: -1, topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: -1 }] }] }),
    topicError,
    [['describe topic orders'], ['read topic orders'], ['write topic orders'], ['alter topic orders'], ['delete topic orders']]
  ],
  ['Metadata of a topic', client => client.request(Metadata, { topics: [{ name: 'orders' }] }), topicError, [['describe topic orders']]],
  [
    'Metadata by topic id',
    (client, { ordersId }) => client.request(Metadata, { topics: [{ name: null, topicId: ordersId }] }),
    topicError,
    [['describe topic orders']]
  ],
  ['Metadata of a topic to be made', client => client.request(Metadata, { topics: [{ name: 'secret-new' }] }), topicError, []],
  [
    'DescribeTopicPartitions',
    client => client.request(DescribeTopicPartitions, { topics: [{ name: 'orders' }] }),
    topicError,
    [['describe topic orders']]
  ],
  [
    'OffsetForLeaderEpoch',
    client => client.request(OffsetForLeaderEpoch, { topics: [{ topic: 'orders', partitions: [{ partition: 0, leaderEpoch: 0 }] }] }),
    topicError,
    [['describe topic orders'], ['clusterAction cluster kafka-cluster']]
  ],
  [
    'CreateTopics',
    client => client.request(CreateTopics, { topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1 }], validateOnly: true }),
    topicError,
    [
      ['create topic new', 'describeConfigs topic new'],
      ['create topic n*', 'alterConfigs topic *'],
      ['create cluster kafka-cluster', 'describeConfigs topic new']
    ]
  ],
  [
    'CreatePartitions',
    client => client.request(CreatePartitions, { topics: [{ name: 'orders', count: 2 }], timeoutMs: 1000, validateOnly: true }),
    topicError,
    [['alter topic orders']]
  ],
  [
    'DeleteRecords',
    client =>
      client.request(DeleteRecords, { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: 0 }] }], timeoutMs: 1000 }),
    topicError,
    [['delete topic orders']]
  ],
  [
    'FindCoordinator of a group',
    client => client.request(FindCoordinator, { coordinatorKeys: ['g'] }),
    groupError,
    [['describe group g'], ['read group g']]
  ],
  ['FindCoordinator in its old form', client => client.request(FindCoordinator, { key: 'g' }), groupError, [['describe group g']]],
  [
    'FindCoordinator of a transactional id',
    client => client.request(FindCoordinator, { keyType: 1, coordinatorKeys: ['t'] }),
    idError,
    [['describe transactionalId t'], ['write transactionalId t']]
  ],
  [
    'JoinGroup',
    client =>
      client.request(JoinGroup, {
        groupId: 'j',
        sessionTimeoutMs: 1,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'p', metadata: new Uint8Array(0) }]
      }),
    groupError,
    [['read group j']],
    ['INVALID_SESSION_TIMEOUT']
  ],
  [
    'SyncGroup',
    client =>
      client.request(SyncGroup, { groupId: 'g', generationId: 1, memberId: 'm', protocolType: 'c', protocolName: 'p', assignments: [] }),
    groupError,
    [['read group g']],
    ['UNKNOWN_MEMBER_ID']
  ],
  [
    'Heartbeat',
    client => client.request(Heartbeat, { groupId: 'g', generationId: 1, memberId: 'm' }),
    groupError,
    [['read group g']],
    ['UNKNOWN_MEMBER_ID']
  ],
  [
    'LeaveGroup',
    client => client.request(LeaveGroup, { groupId: 'g', members: [{ memberId: 'm', groupInstanceId: null }] }),
    groupError,
    [['read group g']],
    ['UNKNOWN_MEMBER_ID']
  ],
  ['OffsetCommit', client => commit(client), groupError, [['read group g', 'read topic orders']]],
  [
    'OffsetFetch',
    client => client.request(OffsetFetch, { groups: [{ groupId: 'g', topics: [{ name: 'orders', partitionIndexes: [0] }] }] }),
    groupError,
    [['describe group g', 'describe topic orders']]
  ],
  [
    'OffsetFetch in its old form',
    client => client.request(OffsetFetch, { groupId: 'g', topics: [{ name: 'orders', partitionIndexes: [0] }] }),
    groupError,
    [['describe group g', 'describe topic orders']]
  ],
  [
    'OffsetDelete',
    client => client.request(OffsetDelete, { groupId: 'h', topics: [{ name: 'orders', partitions: [{ partitionIndex: 0 }] }] }),
    groupError,
    [['delete group h', 'read topic orders']]
  ],
  ['DescribeGroups', client => client.request(DescribeGroups, { groups: ['g'] }), groupError, [['describe group g']]],
  [
    'DeleteGroups',
    client => client.request(DeleteGroups, { groupsNames: ['no'] }),
    groupError,
    [['delete group no']],
    ['GROUP_ID_NOT_FOUND']
  ],
  [
    'DescribeConfigs of a topic',
    client => client.request(DescribeConfigs, { resources: [configsOf(2, 'orders')] }),
    topicError,
    [['describeConfigs topic orders'], ['alterConfigs topic orders']]
  ],
  [
    'DescribeConfigs of a broker',
    (client, { nodeId }) => client.request(DescribeConfigs, { resources: [configsOf(4, nodeId)] }),
    clusterError,
    [['describeConfigs cluster kafka-cluster']]
  ],
  [
    'AlterConfigs',
    client => client.request(AlterConfigs, { resources: [{ ...configsOf(2, 'orders'), configs: [change] }], validateOnly: true }),
    topicError,
    [['alterConfigs topic orders']]
  ],
  [
    'IncrementalAlterConfigs',
    client =>
      client.request(IncrementalAlterConfigs, {
        resources: [{ ...configsOf(2, 'orders'), configs: [{ ...change, configOperation: 0 }] }],
        validateOnly: true
      }),
    topicError,
    [['alterConfigs topic orders']]
  ],
  [
    'IncrementalAlterConfigs of a broker',
    (client, { nodeId }) =>
      client.request(IncrementalAlterConfigs, { resources: [{ ...configsOf(4, nodeId), configs: [] }], validateOnly: true }),
    clusterError,
    []
  ],
  [
    'InitProducerId',
    client => client.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 1000 }),
    clusterError,
    [['idempotentWrite cluster kafka-cluster'], ['write topic anything'], ['write topic a*']]
  ],
  [
    'InitProducerId with a transactional id',
    client => client.request(InitProducerId, { transactionalId: 't', transactionTimeoutMs: 1000 }),
    idError,
    [['write transactionalId t'], ['all transactionalId *']]
  ],
  [
    'AddPartitionsToTxn',
    client => client.request(AddPartitionsToTxn, addition),
    idError,
    [['write transactionalId u', 'write topic orders']],
    ['INVALID_PRODUCER_ID_MAPPING']
  ],
  [
    'AddPartitionsToTxn of a broker',
    client =>
      client.request(AddPartitionsToTxn, { transactions: [{ transactionalId: 'u', producerId: 1, producerEpoch: 0, topics: orders }] }),
    clusterError,
    [['clusterAction cluster kafka-cluster']],
    ['INVALID_PRODUCER_ID_MAPPING']
  ],
  [
    'AddConditionsToTxn',
    client =>
      client.request(AddConditionsToTxn, {
        ...unknownProducer,
        topic: 'orders',
        partition: 0,
        keys: [{ key: new Uint8Array(1), lastOffset: -1 }]
      }),
    idError,
    [['write transactionalId u', 'write topic orders']],
    ['INVALID_TXN_STATE']
  ],
  [
    'AddOffsetsToTxn',
    client => client.request(AddOffsetsToTxn, { ...unknownProducer, groupId: 'g' }),
    idError,
    [['write transactionalId u', 'read group g']],
    ['INVALID_PRODUCER_ID_MAPPING']
  ],
  [
    'EndTxn',
    client => client.request(EndTxn, { ...unknownProducer, committed: true }),
    idError,
    [['write transactionalId u']],
    ['INVALID_PRODUCER_ID_MAPPING']
  ],
  [
    'TxnOffsetCommit',
    client => client.request(TxnOffsetCommit, offsetsInTransaction),
    idError,
    [['write transactionalId u', 'read group g', 'read topic orders']],
    ['INVALID_PRODUCER_ID_MAPPING']
  ],
  [
    'WriteTxnMarkers',
    client =>
      client.request(WriteTxnMarkers, {
        markers: [
          {
            producerId: 999,
            producerEpoch: 0,
            transactionResult: false,
            coordinatorEpoch: 0,
            topics: [{ name: 'orders', partitionIndexes: [0] }]
          }
        ]
      }),
    clusterError,
    [['alter cluster kafka-cluster'], ['clusterAction cluster kafka-cluster']]
  ],
  [
    'DescribeTransactions',
    client => client.request(DescribeTransactions, { transactionalIds: ['u'] }),
    idError,
    [['describe transactionalId u'], ['write transactionalId u']],
    ['TRANSACTIONAL_ID_NOT_FOUND']
  ],
  [
    'DescribeLogDirs',
    client => client.request(DescribeLogDirs, { topics: null }),
    clusterError,
    [['describe cluster kafka-cluster'], ['alter cluster kafka-cluster']]
  ],
  ['ListConfigResources', client => client.request(ListConfigResources, {}), clusterError, [['describeConfigs cluster kafka-cluster']]],
  [
    'DescribeUserScramCredentials',
    client => client.request(DescribeUserScramCredentials, { users: [{ name: 'bob' }] }),
    clusterError,
    [['describe cluster kafka-cluster']],
    ['RESOURCE_NOT_FOUND']
  ],
  [
    'AlterUserScramCredentials',
    client => client.request(AlterUserScramCredentials, { deletions: [{ name: 'bob', mechanism: 1 }], upsertions: [] }),
    clusterError,
    [['alter cluster kafka-cluster']],
    ['RESOURCE_NOT_FOUND']
  ],
  ['DescribeAcls', client => client.request(DescribeAcls, anyAcl), clusterError, [['describe cluster kafka-cluster']]],
  [
    'CreateAcls',
    client =>
      client.request(CreateAcls, {
        creations: [{ resourceType: 2, resourceName: 'x', principal: 'User:b', host: '*', operation: 3, permissionType: 3 }]
      }),
    clusterError,
    [['alter cluster kafka-cluster']]
  ],
  [
    'DeleteAcls',
    client => client.request(DeleteAcls, { filters: [{ ...anyAcl, hostFilter: 'none' }] }),
    clusterError,
    [['alter cluster kafka-cluster']]
  ],
  [
    'DescribeClientQuotas',
    client => client.request(DescribeClientQuotas, { components: [], strict: false }),
    clusterError,
    [['describeConfigs cluster kafka-cluster'], ['alterConfigs cluster kafka-cluster']]
  ],
  [
    'AlterClientQuotas',
    client => {
      const ops = [{ key: 'producer_byte_rate', value: 1e9, remove: false }]
      const entity = [{ entityType: 'client-id', entityName: 'nobody' }]
      return client.request(AlterClientQuotas, { entries: [{ entity, ops }], validateOnly: false })
    },
    clusterError,
    [['alterConfigs cluster kafka-cluster']]
  ],
  [
    'DescribeProducers',
    client => client.request(DescribeProducers, { topics: [{ name: 'orders', partitionIndexes: [0] }] }),
    topicError,
    [['read topic orders']]
  ],
  [
    'DescribeQuorum',
    client => client.request(DescribeQuorum, { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] }),
    clusterError,
    [['describe cluster kafka-cluster']]
  ],
  [
    'ElectLeaders',
    client => client.request(ElectLeaders, { topicPartitions: [{ topic: 'orders', partitions: [0] }] }),
    clusterError,
    [['alter cluster kafka-cluster']],
    ['ELECTION_NOT_NEEDED']
  ],
  [
    'AlterReplicaLogDirs',
    client => client.request(AlterReplicaLogDirs, { dirs: [{ path: '/none', topics: [{ name: 'orders', partitions: [0] }] }] }),
    clusterError,
    [['alter cluster kafka-cluster']],
    ['LOG_DIR_NOT_FOUND']
  ],
  [
    'AlterPartitionReassignments',
    client =>
      client.request(AlterPartitionReassignments, { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, replicas: null }] }] }),
    clusterError,
    [['alter cluster kafka-cluster']],
    ['NO_REASSIGNMENT_IN_PROGRESS']
  ],
  [
    'ListPartitionReassignments',
    client => client.request(ListPartitionReassignments, {}),
    clusterError,
    [['describe cluster kafka-cluster']]
  ],
  [
    'UpdateFeatures',
    client => client.request(UpdateFeatures, { featureUpdates: [{ feature: 'none', maxVersionLevel: 1 }], validateOnly: true }),
    clusterError,
    [['alter cluster kafka-cluster']],
    ['INVALID_UPDATE_VERSION']
  ]
]
