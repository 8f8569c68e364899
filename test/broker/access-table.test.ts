import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { guardedApis } from '../../src/broker/access/access-table.js'
import { servedApis } from '../../src/broker/api-table.js'
import type { LocalBroker } from '../../src/broker/local-broker.js'
import { LocalBroker as Node } from '../../src/broker/local-broker.js'
import { zeroUuid } from '../../src/common/uuid.js'
import { errorCodeOf } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import { AlterConfigs } from '../../src/protocol/messages/alter-configs.js'
import { AlterUserScramCredentials } from '../../src/protocol/messages/alter-user-scram-credentials.js'
import { CreateAcls } from '../../src/protocol/messages/create-acls.js'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteAcls } from '../../src/protocol/messages/delete-acls.js'
import { DeleteGroups } from '../../src/protocol/messages/delete-groups.js'
import { DeleteRecords } from '../../src/protocol/messages/delete-records.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { DescribeAcls } from '../../src/protocol/messages/describe-acls.js'
import { DescribeCluster } from '../../src/protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { DescribeGroups } from '../../src/protocol/messages/describe-groups.js'
import { DescribeLogDirs } from '../../src/protocol/messages/describe-log-dirs.js'
import { DescribeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.js'
import { DescribeUserScramCredentials } from '../../src/protocol/messages/describe-user-scram-credentials.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { FindCoordinator } from '../../src/protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../src/protocol/messages/leave-group.js'
import { ListConfigResources } from '../../src/protocol/messages/list-config-resources.js'
import { ListGroups } from '../../src/protocol/messages/list-groups.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetDelete } from '../../src/protocol/messages/offset-delete.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { OffsetForLeaderEpoch } from '../../src/protocol/messages/offset-for-leader-epoch.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { SyncGroup } from '../../src/protocol/messages/sync-group.js'
import { MemoryStorage } from '../../src/storage/memory.js'
import { aclFrom, connectAs, grant, revokeAll } from './access.js'
import { batch, createTopic, fetchRequest, produceRequest } from './helpers.js'

let node: LocalBroker
let owner: Broker
let ann: Broker
let ordersId: string

beforeAll(async () => {
  node = await Node.open({ storage: new MemoryStorage(), configs: { 'group.initial.rebalance.delay.ms': 0 } })
  owner = node.connect({ clientId: 'owner' })
  ordersId = await createTopic(owner, 'orders')
  await createTopic(owner, 'secret')
  await owner.request(Produce, produceRequest('orders', 0, batch('a', 'b')))
  for (const groupId of ['g', 'h']) await commit(owner, groupId)
  ann = connectAs(node, 'ann')
})

beforeEach(() => revokeAll(node))
afterAll(() => node.close())

function commit(client: Broker, groupId = 'g', name = 'orders') {
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
  return client.request(OffsetCommit, { groupId, generationIdOrMemberEpoch: -1, memberId: '', topics: [{ name, partitions }] })
}

/** All error codes in a response that are not 0, by name, wherever they stand. */
function errorsIn(response: unknown): string[] {
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

const anyAcl = { resourceTypeFilter: 1, resourceNameFilter: null, principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 }
const configsOf = (resourceType: number, resourceName: string) => ({ resourceType, resourceName, configurationKeys: null })
const change = { name: 'retention.ms', value: '1000' }
const topicError = ['TOPIC_AUTHORIZATION_FAILED']
const groupError = ['GROUP_AUTHORIZATION_FAILED']
const clusterError = ['CLUSTER_AUTHORIZATION_FAILED']
const idError = ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED']

/** What is asked, the error without a right, and each list of ACLs with which it is answered; then with the error given, if any. */
const table: [what: string, ask: (client: Broker) => unknown, denied: string[], allowedBy: string[][], then?: string[]][] = [
  [
    'Produce',
    client => client.request(Produce, produceRequest('orders', 0, batch('c'))),
    topicError,
    [['write topic orders'], ['all topic *']]
  ],
  [
    'Produce by topic id',
    client =>
      client.request(Produce, {
        ...produceRequest('', 0, batch('c')),
        topicData: [{ topicId: ordersId, partitionData: [{ index: 0, records: batch('c') }] }]
      }),
    topicError,
    [['write topic orders']]
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
    client => client.request(Metadata, { topics: [{ name: null, topicId: ordersId }] }),
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
    client => client.request(DescribeConfigs, { resources: [configsOf(4, '0')] }),
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
    client => client.request(IncrementalAlterConfigs, { resources: [{ ...configsOf(4, '0'), configs: [] }], validateOnly: true }),
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
    []
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
    client => client.request(DescribeUserScramCredentials, { users: null }),
    clusterError,
    [['describe cluster kafka-cluster']]
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
  ]
]

describe('the table of rights', () => {
  it('has an entry for each API that a node serves', () => {
    expect(servedApis.filter(({ key }) => !guardedApis.has(key)).map(({ name }) => name)).toEqual([])
  })

  it.each(table)('%s', async (_what, ask, denied, allowedBy, then = []) => {
    grant(node, 'read topic other', 'all group other', '!all topic secret')
    expect(errorsIn(await ask(ann))).toEqual(denied)
    for (const acls of allowedBy) {
      revokeAll(node)
      grant(node, ...acls)
      expect([acls, errorsIn(await ask(ann))]).toEqual([acls, then])
      for (const acl of acls) grant(node, `!${acl.replace(/^\w+/, 'all')}`)
      expect([acls, errorsIn(await ask(ann))]).toEqual([acls, denied])
    }
    revokeAll(node)
    if (allowedBy.length > 0) expect(errorsIn(await ask(connectAs(node, 'admin')))).toEqual(then)
  })
})

describe('a client that may see a part', () => {
  const namesIn = ({ topics }: { topics: readonly { name?: string | null }[] }) => topics.map(({ name }) => name)

  it('is told of all topics that it may describe, and of no other', async () => {
    grant(node, 'describe topic orders')
    expect(namesIn(await ann.request(Metadata, { topics: null }))).toEqual(['orders'])
    expect(namesIn(await connectAs(node, 'ann', {}, 0).request(Metadata, { topics: [] }))).toEqual(['orders'])
    expect(namesIn(await ann.request(DescribeTopicPartitions, { topics: [] }))).toEqual(['orders'])
    revokeAll(node)
    expect(namesIn(await ann.request(Metadata, { topics: null }))).toEqual([])
    expect(namesIn(await connectAs(node, 'ann', {}, 0).request(Metadata, { topics: [] }))).toEqual([])
    expect(await ann.request(DescribeTopicPartitions, { topics: [] })).toMatchObject({ topics: [], nextCursor: null })
  })

  it('does not learn from Metadata whether a topic that it may not describe exists', async () => {
    const { topics } = await ann.request(Metadata, {
      topics: [{ name: 'secret' }, { name: 'not there' }, { name: null, topicId: ordersId }]
    })
    const hidden = { topicId: zeroUuid, isInternal: false, partitions: [] }
    expect(topics.map(({ errorCode, ...topic }) => [errorCodeOf(errorCode), topic])).toEqual([
      ['TOPIC_AUTHORIZATION_FAILED', { name: 'secret', ...hidden }],
      ['TOPIC_AUTHORIZATION_FAILED', { name: 'not there', ...hidden }],
      ['TOPIC_AUTHORIZATION_FAILED', { name: null, ...hidden, topicId: ordersId }]
    ])
    expect(node.topics.has('not there')).toBe(false)
  })

  it('makes a topic by asking for it only where it may create it', async () => {
    const ask = async (name: string) => errorsIn(await ann.request(Metadata, { topics: [{ name }], allowAutoTopicCreation: true }))
    grant(node, 'describe topic *')
    expect(await ask('made-1')).toEqual(topicError)
    grant(node, 'create topic made*')
    expect(await ask('made-1')).toEqual([])
    revokeAll(node)
    grant(node, 'describe topic *', 'create cluster kafka-cluster')
    expect(await ask('made-2')).toEqual([])
    await owner.request(DeleteTopics, { topics: [{ name: 'made-1' }, { name: 'made-2' }], timeoutMs: 1000 })
  })

  it('deletes what it may, and learns nothing of what it may not describe', async () => {
    await createTopic(owner, 'gone')
    const keptId = await createTopic(owner, 'kept')
    const secretId = node.topics.get('secret')!.id
    grant(node, 'delete topic gone', 'describe topic kept')
    const named = ['gone', 'kept', 'secret', 'not there'].map(name => ({ name }))
    const ids = [keptId, secretId].map(topicId => ({ name: null, topicId }))
    const { responses } = await ann.request(DeleteTopics, { topics: [...named, ...ids], timeoutMs: 1000 })
    const denied = 'TOPIC_AUTHORIZATION_FAILED'
    expect(responses.map(({ name, topicId, errorCode }) => [name, topicId, errorCode && errorCodeOf(errorCode)])).toEqual([
      ['gone', expect.any(String), 0],
      ['kept', zeroUuid, denied],
      ['secret', zeroUuid, denied],
      ['not there', zeroUuid, denied],
      ['kept', keptId, denied],
      [null, secretId, denied]
    ])
    grant(node, 'delete cluster kafka-cluster')
    expect(errorsIn(await ann.request(DeleteTopics, { topics: [{ name: 'kept' }], timeoutMs: 1000 }))).toEqual([])
  })

  it('sees the groups that it may describe, or all where it may describe the cluster', async () => {
    const groups = async () => (await ann.request(ListGroups, {})).groups.map(({ groupId }) => groupId).sort()
    expect(await groups()).toEqual([])
    grant(node, 'read group g')
    expect(await groups()).toEqual(['g'])
    grant(node, 'describe cluster kafka-cluster')
    expect(await groups()).toEqual(['g', 'h'])
  })

  it('is told the offsets of topics that it may describe, and of others nothing where it asks for all', async () => {
    await commit(owner, 'g', 'secret')
    grant(node, 'describe group g', 'describe topic orders')
    const fetched = async (topics: { name: string; partitionIndexes: number[] }[] | null) => {
      const { groups } = await ann.request(OffsetFetch, { groups: [{ groupId: 'g', topics }] })
      return groups![0].topics.map(({ name, partitions }) => [name, partitions[0].committedOffset, partitions[0].errorCode])
    }
    expect(await fetched(null)).toEqual([['orders', 1, 0]])
    const both = ['secret', 'orders'].map(name => ({ name, partitionIndexes: [0] }))
    expect(await fetched(both)).toEqual([
      ['secret', -1, 29],
      ['orders', 1, 0]
    ])
  })

  it('writes, reads and commits what it may of a request, and has an answer for each part in its place', async () => {
    grant(node, 'write topic orders', 'read topic orders', 'read group g')
    const parts = ['secret', 'orders', 'not there'].map(name => ({ name, partitionData: [{ index: 0, records: batch('d') }] }))
    const produced = await ann.request(Produce, { acks: -1, timeoutMs: 1000, topicData: parts })
    expect(produced.responses.map(({ name, partitionResponses }) => [name, partitionResponses[0].errorCode])).toEqual([
      ['secret', 29],
      ['orders', 0],
      ['not there', 29]
    ])
    const wanted = fetchRequest('secret', [0], { maxWaitMs: 60_000 })
    const both = { ...wanted, topics: [...wanted.topics, ...fetchRequest('orders', [0]).topics] }
    const { responses } = await ann.request(Fetch, both)
    expect(responses.map(({ topic, partitions }) => [topic, partitions[0].errorCode, partitions[0].records!.length > 0])).toEqual([
      ['secret', 29, false],
      ['orders', 0, true]
    ])
    const offsets = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
    const topics = ['secret', 'orders'].map(name => ({ name, partitions: offsets }))
    const committed = await ann.request(OffsetCommit, { groupId: 'g', memberId: '', generationIdOrMemberEpoch: -1, topics })
    expect(committed.topics.map(({ name, partitions }) => [name, partitions[0].errorCode])).toEqual([
      ['secret', 29],
      ['orders', 0]
    ])
  })

  it('creates a topic without being told its configs', async () => {
    grant(node, 'create topic new')
    const wanted = { name: 'new', numPartitions: 1, replicationFactor: 1 }
    const { topics } = await ann.request(CreateTopics, { topics: [wanted, { ...wanted, name: 'secret' }], validateOnly: true })
    expect(topics).toMatchObject([
      { name: 'new', errorCode: 0, topicConfigErrorCode: 29, numPartitions: -1, replicationFactor: -1, configs: [] },
      { name: 'secret', errorCode: 29, errorMessage: 'Authorization failed.' }
    ])
  })

  it('is told what it may do with topics, groups and the cluster', async () => {
    grant(node, 'read topic orders', 'write topic ord*', '!write topic *', 'read group g', 'describe cluster kafka-cluster')
    const asked = { includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true }
    const metadata = await ann.request(Metadata, { topics: [{ name: 'orders' }], ...asked })
    const bits = (...operations: number[]) => operations.reduce((sum, operation) => sum + 2 ** operation, 0)
    const [read, describeIt] = [3, 8]
    expect(metadata.topics[0].topicAuthorizedOperations).toBe(bits(read, describeIt))
    expect(metadata.clusterAuthorizedOperations).toBe(bits(describeIt))
    const { topics } = await ann.request(DescribeTopicPartitions, { topics: [{ name: 'orders' }] })
    expect(topics[0].topicAuthorizedOperations).toBe(bits(read, describeIt))
    const { groups } = await ann.request(DescribeGroups, { groups: ['g'], includeAuthorizedOperations: true })
    expect(groups[0].authorizedOperations).toBe(bits(read, describeIt))
    const describeCluster = () => ann.request(DescribeCluster, { includeClusterAuthorizedOperations: true })
    expect((await describeCluster()).clusterAuthorizedOperations).toBe(bits(describeIt))
    revokeAll(node)
    expect((await describeCluster()).clusterAuthorizedOperations).toBe(0)
  })

  it('has its host looked at', async () => {
    grant(node, aclFrom('describe topic orders', 'User:ann', '10.0.0.1'), aclFrom('describe topic secret', 'User:ann', '10.0.0.2'))
    expect(namesIn(await ann.request(Metadata, { topics: null }))).toEqual(['orders'])
  })

  it('may use everything that no ACL is about, where the door is open like that', async () => {
    grant(node, aclFrom('all topic secret', 'User:bob'))
    const open = connectAs(node, 'ann', { allowEveryoneIfNoAclFound: true })
    expect(namesIn(await open.request(Metadata, { topics: null }))).toEqual(['orders', '__consumer_offsets'])
    expect(errorsIn(await open.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 1 }))).toEqual([])
  })
})
