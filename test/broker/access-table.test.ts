import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { guardedApis } from '../../src/broker/access/access-table.js'
import { servedApis } from '../../src/broker/api-table.js'
import { type LocalBroker, LocalBroker as Node } from '../../src/broker/local-broker.js'
import { zeroUuid } from '../../src/common/uuid.js'
import { errorCodeOf } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { DescribeCluster } from '../../src/protocol/messages/describe-cluster.js'
import { DescribeGroups } from '../../src/protocol/messages/describe-groups.js'
import { DescribeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { ListGroups } from '../../src/protocol/messages/list-groups.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { aclFrom, connectAs, grant, revokeAll } from './access.js'
import { accessTable, commit, errorsIn, type Known, topicError } from './access-asks.js'
import { batch, createTopic, fetchRequest, produceRequest } from './helpers.js'

let node: LocalBroker
let owner: Broker
let ann: Broker
let ordersId: string
let known: Known

beforeAll(async () => {
  node = await Node.open({ storage: new MemoryStorage(), configs: { 'group.initial.rebalance.delay.ms': 0 } })
  owner = node.connect({ clientId: 'owner' })
  ordersId = await createTopic(owner, 'orders')
  known = { ordersId, nodeId: '0' }
  await createTopic(owner, 'secret')
  await owner.request(Produce, produceRequest('orders', 0, batch('a', 'b')))
  for (const groupId of ['g', 'h']) await commit(owner, groupId)
  ann = connectAs(node, 'ann')
})

beforeEach(() => revokeAll(node))
afterAll(() => node.close())

describe('the table of rights', () => {
  it('has an entry for each API that a node serves', () => {
    expect(servedApis.filter(({ key }) => !guardedApis.has(key)).map(({ name }) => name)).toEqual([])
  })

  it.each(accessTable)('%s', async (_what, ask, denied, allowedBy, then = []) => {
    grant(node, 'read topic other', 'all group other', '!all topic secret')
    expect(errorsIn(await ask(ann, known))).toEqual(denied)
    for (const acls of allowedBy) {
      revokeAll(node)
      grant(node, ...acls)
      expect([acls, errorsIn(await ask(ann, known))]).toEqual([acls, then])
      for (const acl of acls) grant(node, `!${acl.replace(/^\w+/, 'all')}`)
      expect([acls, errorsIn(await ask(ann, known))]).toEqual([acls, denied])
    }
    revokeAll(node)
    if (allowedBy.length > 0) expect(errorsIn(await ask(connectAs(node, 'admin'), known))).toEqual(then)
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
    expect(namesIn(await open.request(Metadata, { topics: null }))).toEqual(['orders', '__consumer_offsets', '__transaction_state'])
    expect(errorsIn(await open.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 1 }))).toEqual([])
  })
})
