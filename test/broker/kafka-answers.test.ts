import { describe, expect, it } from 'vitest'
import { nodeOf } from '../../src/broker/local-broker.js'
import type { Broker } from '../../src/protocol/broker.js'
import { AlterConfigs } from '../../src/protocol/messages/alter-configs.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { DescribeCluster } from '../../src/protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { DescribeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { createInternalTopic, createTopic, openNode, withError } from './helpers.js'

const topicResource = 2
const [set, remove] = [0, 1]

async function alter(client: Broker, topic: string, ...configs: [name: string, operation: number, value: string | null][]) {
  const resources = [
    {
      resourceType: topicResource,
      resourceName: topic,
      configs: configs.map(([name, configOperation, value]) => ({ name, configOperation, value }))
    }
  ]
  const { responses } = await client.request(IncrementalAlterConfigs, { resources, validateOnly: false })
  return withError(responses[0]).error
}

describe('configs, as Apache Kafka 4.3 answers', () => {
  it('are all described for an empty list of keys, as for none', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const count = async (configurationKeys: string[] | null) => {
      const resources = [{ resourceType: topicResource, resourceName: 'orders', configurationKeys }]
      return (await client.request(DescribeConfigs, { resources })).results[0].configs.length
    }
    expect(await count([])).toBe(await count(null))
    expect(await count(['retention.ms'])).toBe(1)
  })

  it('that are not set can be deleted, whatever their name', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    const changes = [
      ['remote.log.delete.on.disable', remove, null],
      ['no.such.config', remove, null],
      ['retention.ms', set, '5000']
    ] as const
    expect(await alter(client, 'orders', ...(changes as unknown as [string, number, null][]))).toBe('NONE')
    expect([...(nodeOf(node).metadata.topics.get('orders')?.configs ?? [])]).toEqual([['retention.ms', '5000']])
    expect(await alter(client, 'orders', ['no.such.config', set, '1'])).toBe('INVALID_CONFIG')
  })

  it('without a value are refused where all are given', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const resources = [{ resourceType: topicResource, resourceName: 'orders', configs: [{ name: 'retention.ms', value: null }] }]
    const { responses } = await client.request(AlterConfigs, { resources, validateOnly: false })
    expect(withError(responses[0]).error).toBe('INVALID_REQUEST')
  })
})

describe('topics that the cluster keeps for itself', () => {
  it('are neither created nor configured by clients', async () => {
    const { client, node } = await openNode()
    const names = ['__consumer_offsets', '__transaction_state', '__share_group_state']
    for (const name of names) {
      const { topics } = await client.request(CreateTopics, { topics: [{ name, numPartitions: 1, replicationFactor: 1 }] })
      expect(withError(topics[0]).error).toBe('INVALID_TOPIC_EXCEPTION')
    }
    expect(node.topics.size).toBe(0)
    await createInternalTopic(node, '__consumer_offsets')
    expect(await alter(client, '__consumer_offsets', ['retention.ms', set, '1'])).toBe('POLICY_VIOLATION')
    expect([...(nodeOf(node).metadata.topics.get('__consumer_offsets')?.configs ?? [])]).toEqual([])
  })
})

describe('a name that a request has twice', () => {
  it('gets one answer, which refuses it', async () => {
    const { client } = await openNode()
    const wanted = { name: 'orders', numPartitions: 1, replicationFactor: 1 }
    const created = await client.request(CreateTopics, { topics: [wanted, { ...wanted, name: 'users' }, wanted] })
    expect(created.topics.map(withError)).toMatchObject([
      { name: 'orders', error: 'INVALID_REQUEST' },
      { name: 'users', error: 'NONE' }
    ])
    const deleted = await client.request(DeleteTopics, { topics: [{ name: 'users' }, { name: 'users' }], timeoutMs: 1 })
    expect(deleted.responses.map(withError)).toMatchObject([{ name: 'users', error: 'INVALID_REQUEST' }])
  })
})

describe('authorized operations', () => {
  it('are all that a resource has, where they are asked for', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const topics = [{ name: 'orders' }]
    const all = await client.request(Metadata, {
      topics,
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true
    })
    expect(all).toMatchObject({ clusterAuthorizedOperations: 8096, topics: [{ topicAuthorizedOperations: 3576 }] })
    const none = await client.request(Metadata, { topics })
    expect(none).toMatchObject({ clusterAuthorizedOperations: -2147483648, topics: [{ topicAuthorizedOperations: -2147483648 }] })
    expect(await client.request(DescribeCluster, { includeClusterAuthorizedOperations: true })).toMatchObject({
      clusterAuthorizedOperations: 8096
    })
    expect(await client.request(DescribeTopicPartitions, { topics })).toMatchObject({ topics: [{ topicAuthorizedOperations: 3576 }] })
  })
})
