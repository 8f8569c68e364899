import { describe, expect, it } from 'vitest'
import { zeroUuid } from '../../src/common/uuid.js'
import type { Broker } from '../../src/protocol/broker.js'
import type { RequestOf } from '../../src/protocol/message.js'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { DescribeCluster } from '../../src/protocol/messages/describe-cluster.js'
import { DescribeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.js'
import { ListConfigResources } from '../../src/protocol/messages/list-config-resources.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { batch, createInternalTopic, createTopic, fetch, openNode, produce, withError } from './helpers.js'

type NewTopic = RequestOf<typeof CreateTopics>['topics'][number]

const wanted = (name: string, more: Partial<NewTopic> = {}): NewTopic => ({ name, numPartitions: 1, replicationFactor: 1, ...more })

async function create(client: Broker, ...topics: NewTopic[]) {
  const response = await client.request(CreateTopics, { topics })
  return response.topics.map(withError)
}

async function metadata(client: Broker, names: readonly string[] | null, allowAutoTopicCreation = false) {
  const topics = names?.map(name => ({ topicId: zeroUuid, name })) ?? null
  return (await client.request(Metadata, { topics, allowAutoTopicCreation })).topics.map(withError)
}

describe('a topic that is being deleted', () => {
  it('is left out of what lists topics', async () => {
    const { client } = await openNode()
    const names = ['a', 'b', 'c']
    await create(client, ...names.map(name => wanted(name, { numPartitions: 3 })))
    let isDeleted = false
    const deleted = client.request(DeleteTopics, { topics: names.map(name => ({ name, topicId: zeroUuid })), timeoutMs: 1000 })
    const settled = Promise.resolve(deleted).then(() => (isDeleted = true))
    while (!isDeleted) {
      for (const { error } of await metadata(client, null)) expect(error).toBe('NONE')
      const { topics } = await client.request(DescribeTopicPartitions, { topics: [] })
      expect(topics.map(withError).filter(({ error }) => error !== 'NONE')).toEqual([])
      const listed = await client.request(ListConfigResources, { resourceTypes: [2] })
      expect(listed.configResources.length).toBeLessThanOrEqual(topics.length)
    }
    await settled
    expect(await metadata(client, null)).toEqual([])
  })
})

describe('CreateTopics', () => {
  it('creates topics with ids, partitions and configs, ready for use when it answers', async () => {
    const { client } = await openNode()
    const [orders] = await create(client, wanted('orders', { numPartitions: 3, configs: [{ name: 'retention.ms', value: '5000' }] }))
    expect(orders).toMatchObject({ error: 'NONE', numPartitions: 3, replicationFactor: 1 })
    expect(orders.topicId).toHaveLength(22)
    expect(orders.configs).toContainEqual({ name: 'retention.ms', value: '5000', readOnly: false, configSource: 1, isSensitive: false })
    expect(await produce(client, 'orders', 2, batch('a'))).toMatchObject({ error: 'NONE' })
  })

  it('takes the defaults of the broker for -1', async () => {
    const { client } = await openNode({ configs: { 'num.partitions': 4 } })
    expect(await create(client, wanted('orders', { numPartitions: -1, replicationFactor: -1 }))).toMatchObject([
      { error: 'NONE', numPartitions: 4 }
    ])
  })

  it('refuses each wrong topic with its own error, and creates the others', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'taken')
    await createTopic(client, 'a.b')
    const config = (name: string, value: string | null) => ({ configs: [{ name, value }] })
    const cases: [NewTopic, string][] = [
      [wanted('fine'), 'NONE'],
      [wanted('taken'), 'TOPIC_ALREADY_EXISTS'],
      [wanted('a_b'), 'INVALID_TOPIC_EXCEPTION'],
      [wanted('no spaces'), 'INVALID_TOPIC_EXCEPTION'],
      [wanted('..'), 'INVALID_TOPIC_EXCEPTION'],
      [wanted('x'.repeat(250)), 'INVALID_TOPIC_EXCEPTION'],
      [wanted('__cluster_metadata'), 'INVALID_REQUEST'],
      [wanted('none', { numPartitions: 0 }), 'INVALID_PARTITIONS'],
      [wanted('fewer', { numPartitions: -2 }), 'INVALID_PARTITIONS'],
      [wanted('many', { numPartitions: 10_001 }), 'POLICY_VIOLATION'],
      [wanted('replicas', { replicationFactor: 2 }), 'INVALID_REPLICATION_FACTOR'],
      [wanted('unknown', config('retention.millis', '1')), 'INVALID_CONFIG'],
      [wanted('text', config('retention.ms', 'long')), 'INVALID_CONFIG'],
      [wanted('range', config('segment.bytes', '-5')), 'INVALID_CONFIG'],
      [wanted('null', config('retention.ms', null)), 'INVALID_CONFIG'],
      [wanted('compacted', config('cleanup.policy', 'compact')), 'NONE']
    ]
    const answers = await create(client, ...cases.map(([topic]) => topic))
    expect(answers.map(({ name, error }) => [name, error])).toEqual(cases.map(([{ name }, error]) => [name, error]))
    expect(answers.find(({ name }) => name === 'unknown')?.errorMessage).toContain('retention.millis')
    expect([...node.topics.keys()]).toEqual(['taken', 'a.b', 'fine', 'compacted'])
  })

  it('refuses a name that the request has twice, or that collides within it', async () => {
    const { client, node } = await openNode()
    expect(await create(client, wanted('x'), wanted('x'))).toMatchObject([{ error: 'INVALID_REQUEST' }])
    expect(await create(client, wanted('p.q'), wanted('p_q'))).toMatchObject([{ error: 'NONE' }, { error: 'INVALID_TOPIC_EXCEPTION' }])
    expect([...node.topics.keys()]).toEqual(['p.q'])
  })

  it('takes replicas assigned by hand', async () => {
    const { client } = await openNode()
    const assigned = (name: string, assignments: NewTopic['assignments'], numPartitions = -1) =>
      wanted(name, { assignments, numPartitions, replicationFactor: -1 })
    const answers = await create(
      client,
      assigned('fine', [
        { partitionIndex: 1, brokerIds: [0] },
        { partitionIndex: 0, brokerIds: [0] }
      ]),
      assigned('both', [{ partitionIndex: 0, brokerIds: [0] }], 1),
      assigned('gap', [{ partitionIndex: 1, brokerIds: [0] }]),
      assigned('stranger', [{ partitionIndex: 0, brokerIds: [7] }]),
      assigned('twice', [{ partitionIndex: 0, brokerIds: [0, 0] }]),
      assigned('nobody', [{ partitionIndex: 0, brokerIds: [] }])
    )
    const invalid = 'INVALID_REPLICA_ASSIGNMENT'
    expect(answers.map(({ error }) => error)).toEqual(['NONE', 'INVALID_REQUEST', invalid, invalid, invalid, invalid])
    expect(answers[0].numPartitions).toBe(2)
  })

  it('creates nothing when it only validates', async () => {
    const { client, node } = await openNode()
    const { topics } = await client.request(CreateTopics, { topics: [wanted('x')], validateOnly: true })
    expect(topics.map(withError)).toMatchObject([{ error: 'NONE', numPartitions: 1 }])
    expect(node.topics.size).toBe(0)
  })

  it('creates a topic once however often it is asked for at the same time', async () => {
    const { client } = await openNode()
    const answers = await Promise.all(['x', 'x', 'x'].map(name => create(client, wanted(name))))
    expect(answers.flat().map(({ error }) => error)).toEqual(['NONE', 'TOPIC_ALREADY_EXISTS', 'TOPIC_ALREADY_EXISTS'])
  })
})

describe('DeleteTopics', () => {
  const remove = async (client: Broker, ...topics: { name?: string | null; topicId?: string }[]) =>
    (await client.request(DeleteTopics, { topics, timeoutMs: 1000 })).responses.map(withError)

  it('deletes by name and by id, with all that is in the topic', async () => {
    const { client, storage } = await openNode()
    await createTopic(client, 'a')
    const topicId = await createTopic(client, 'b')
    await produce(client, 'a', 0, batch('old'))
    expect(await remove(client, { name: 'a' }, { topicId })).toMatchObject([
      { error: 'NONE', name: 'a' },
      { error: 'NONE', name: 'b', topicId }
    ])
    expect(storage.list('').sort()).toEqual(['__cluster_metadata-0', 'meta.properties'])
    const again = await createTopic(client, 'a')
    expect(again).not.toBe(topicId)
    expect(await fetch(client, 'a', [0])).toMatchObject([{ error: 'NONE', highWatermark: 0 }])
  })

  it('takes the list of names that older clients send', async () => {
    const { client } = await openNode()
    await createTopic(client, 'a')
    const { responses } = await client.request(DeleteTopics, { topicNames: ['a', 'b'], timeoutMs: 1000 })
    expect(responses.map(withError)).toMatchObject([{ error: 'NONE' }, { error: 'UNKNOWN_TOPIC_OR_PARTITION' }])
  })

  it('refuses what does not exist, is named twice, in two ways or not at all, or is internal', async () => {
    const { client, node } = await openNode()
    const topicId = await createTopic(client, 'a')
    await createInternalTopic(node, '__consumer_offsets')
    const unknownId = 'AQIDBAUGBwgJCgsMDQ4PEA'
    const answers = await remove(
      client,
      { name: 'nothing' },
      { topicId: unknownId },
      { name: 'a', topicId },
      {},
      { name: '__consumer_offsets' },
      { name: 'a' },
      { topicId }
    )
    expect(answers.map(({ error }) => error)).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_ID',
      'INVALID_REQUEST',
      'INVALID_REQUEST',
      'INVALID_TOPIC_EXCEPTION',
      'INVALID_REQUEST',
      'INVALID_REQUEST'
    ])
    expect(await remove(client, { name: 'a' })).toMatchObject([{ error: 'NONE' }])
  })

  it('can be switched off', async () => {
    const { client, node } = await openNode({ configs: { 'delete.topic.enable': false } })
    await createTopic(client, 'a')
    expect(await remove(client, { name: 'a' })).toMatchObject([{ error: 'TOPIC_DELETION_DISABLED' }])
    expect(await remove(node.connect({ clientId: 'old', apiVersion: 2 }), { name: 'a' })).toMatchObject([{ error: 'INVALID_REQUEST' }])
  })
})

describe('CreatePartitions', () => {
  const grow = async (client: Broker, name: string, count: number, more: { validateOnly?: boolean; brokers?: number[][] } = {}) => {
    const assignments = more.brokers?.map(brokerIds => ({ brokerIds })) ?? null
    const request = { topics: [{ name, count, assignments }], timeoutMs: 1000, validateOnly: more.validateOnly ?? false }
    return withError((await client.request(CreatePartitions, request)).results[0])
  }

  it('adds partitions that can be used at once', async () => {
    const { client } = await openNode()
    await createTopic(client, 'a')
    await produce(client, 'a', 0, batch('kept'))
    expect(await grow(client, 'a', 3)).toMatchObject({ error: 'NONE' })
    expect(await produce(client, 'a', 2, batch('new'))).toMatchObject({ error: 'NONE', baseOffset: 0 })
    expect((await fetch(client, 'a', [0, 2])).map(({ values }) => values)).toEqual([['kept'], ['new']])
  })

  it('refuses fewer or as many, wrong assignments, and what does not exist', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'a', 2)
    await createInternalTopic(node, '__consumer_offsets')
    expect(await grow(client, 'a', 2)).toMatchObject({ error: 'INVALID_PARTITIONS' })
    expect(await grow(client, 'a', 1)).toMatchObject({ error: 'INVALID_PARTITIONS' })
    expect(await grow(client, 'a', 20_000)).toMatchObject({ error: 'POLICY_VIOLATION' })
    expect(await grow(client, 'a', 3, { brokers: [[0], [0]] })).toMatchObject({ error: 'INVALID_REPLICA_ASSIGNMENT' })
    expect(await grow(client, 'a', 3, { brokers: [[9]] })).toMatchObject({ error: 'INVALID_REPLICA_ASSIGNMENT' })
    expect(await grow(client, 'nothing', 3)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await grow(client, '__consumer_offsets', 3)).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION' })
    expect(await grow(client, 'a', 5, { validateOnly: true })).toMatchObject({ error: 'NONE' })
    expect(await produce(client, 'a', 2, batch('x'))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await grow(client, 'a', 3, { brokers: [[0]] })).toMatchObject({ error: 'NONE' })
  })
})

describe('Metadata', () => {
  it('describes topics by name, by id, or all', async () => {
    const { client, node } = await openNode()
    const topicId = await createTopic(client, 'a', 2)
    await createInternalTopic(node, '__consumer_offsets')
    const partition = { errorCode: 0, leaderId: 0, leaderEpoch: 0, replicaNodes: [0], isrNodes: [0], offlineReplicas: [] }
    const a = {
      error: 'NONE',
      name: 'a',
      topicId,
      isInternal: false,
      topicAuthorizedOperations: -2147483648,
      partitions: [0, 1].map(partitionIndex => ({ ...partition, partitionIndex }))
    }
    expect(await metadata(client, ['a'])).toEqual([a])
    expect(await metadata(client, null)).toMatchObject([a, { name: '__consumer_offsets', isInternal: true }])
    const byId = await client.request(Metadata, { topics: [{ topicId, name: null }] })
    expect(byId.topics.map(withError)).toEqual([a])
    expect(byId).toMatchObject({ controllerId: 0, brokers: [{ nodeId: 0 }] })
    expect(byId.clusterId).toHaveLength(22)
  })

  it('takes no names for no topics, but version 0 takes it for all', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'a')
    expect(await metadata(client, [])).toEqual([])
    expect(await metadata(node.connect({ clientId: 'old', apiVersion: 0 }), [])).toMatchObject([{ name: 'a' }])
  })

  it('refuses names that no topic can have, and ids that no topic has', async () => {
    const { client } = await openNode()
    expect(await metadata(client, ['a b', 'missing'], false)).toMatchObject([
      { error: 'INVALID_TOPIC_EXCEPTION' },
      { error: 'UNKNOWN_TOPIC_OR_PARTITION' }
    ])
    const { topics } = await client.request(Metadata, { topics: [{ topicId: 'AQIDBAUGBwgJCgsMDQ4PEA', name: null }] })
    expect(topics.map(withError)).toMatchObject([{ error: 'UNKNOWN_TOPIC_ID' }])
  })

  it('lets topics come into being, once, where the client and the broker allow it', async () => {
    const { client, node } = await openNode({ configs: { 'num.partitions': 2 } })
    expect(await metadata(client, ['a'], false)).toMatchObject([{ error: 'UNKNOWN_TOPIC_OR_PARTITION' }])
    const answers = await Promise.all([metadata(client, ['a', 'b'], true), metadata(client, ['a'], true)])
    expect(answers.flat().map(({ error, partitions }) => [error, partitions.length])).toEqual([
      ['NONE', 2],
      ['NONE', 2],
      ['NONE', 2]
    ])
    expect([...node.topics.keys()]).toEqual(['a', 'b'])
  })

  it('creates nothing that collides, is invalid or internal', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'a.b')
    const answers = await metadata(client, ['a_b', 'x y', '__consumer_offsets'], true)
    expect(answers.map(({ error }) => error)).toEqual(['INVALID_TOPIC_EXCEPTION', 'INVALID_TOPIC_EXCEPTION', 'UNKNOWN_TOPIC_OR_PARTITION'])
    expect([...node.topics.keys()]).toEqual(['a.b'])
  })

  it('creates nothing where that is switched off', async () => {
    const { client } = await openNode({ configs: { 'auto.create.topics.enable': false } })
    expect(await metadata(client, ['a'], true)).toMatchObject([{ error: 'UNKNOWN_TOPIC_OR_PARTITION' }])
  })
})

describe('DescribeCluster', () => {
  it('tells the one node, where it can be found', async () => {
    const { client, node } = await openNode({ nodeId: 5 })
    node.advertise('example.org', 1234)
    const request = { includeClusterAuthorizedOperations: false }
    const described = await client.request(DescribeCluster, request)
    expect(described).toMatchObject({ errorCode: 0, clusterId: node.clusterId, controllerId: 5 })
    expect(described.brokers).toMatchObject([{ brokerId: 5, host: 'example.org', port: 1234, isFenced: false }])
    expect(withError(await client.request(DescribeCluster, { ...request, endpointType: 2 }))).toMatchObject({
      error: 'MISMATCHED_ENDPOINT_TYPE'
    })
  })
})
