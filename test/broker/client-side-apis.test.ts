import { describe, expect, it } from 'vitest'
import { newestVersion } from '../../src/broker/request-context.js'
import type { ResponseOf } from '../../src/protocol/message.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { CreateAcls } from '../../src/protocol/messages/create-acls.js'
import { DeleteAcls } from '../../src/protocol/messages/delete-acls.js'
import { DescribeAcls } from '../../src/protocol/messages/describe-acls.js'
import { DescribeLogDirs } from '../../src/protocol/messages/describe-log-dirs.js'
import { DescribeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { ListConfigResources } from '../../src/protocol/messages/list-config-resources.js'
import { batch, createTopic, openNode, produce, withError } from './helpers.js'

describe('a node that is asked', () => {
  it('what it serves, names each API once with the versions of its table', async () => {
    const { client } = await openNode()
    const { apiKeys } = await client.request(ApiVersions, {})
    expect(new Set(apiKeys.map(({ apiKey }) => apiKey)).size).toBe(apiKeys.length)
    expect(apiKeys.find(({ apiKey }) => apiKey === ApiVersions.key)).toEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 })
  })

  it('how much partitions keep, answers for all of them or those that are named', async () => {
    const { client } = await openNode()
    await createTopic(client, 'one', 2)
    await createTopic(client, 'two')
    const bytes = batch('a', 'b')
    await produce(client, 'one', 1, bytes)
    const all = await client.request(DescribeLogDirs, { topics: null })
    const topics = (answer: typeof all) =>
      answer.results[0].topics.map(({ name, partitions }) => [name, partitions.map(each => each.partitionSize)])
    expect(topics(all).slice(-2)).toEqual([
      ['one', [0, bytes.length]],
      ['two', [0]]
    ])
    expect(all.results[0].logDir).toBe('memory')
    const some = await client.request(DescribeLogDirs, { topics: [{ topic: 'one', partitions: [1, 7] }] })
    expect(topics(some)).toEqual([['one', [bytes.length]]])
  })

  it('for what has configs, lists kinds that it knows', async () => {
    const { node, client } = await openNode()
    await createTopic(client, 'one')
    const list = async (resourceTypes: number[], apiVersion = newestVersion) => {
      const answer = await node.connect({ clientId: 'test', apiVersion }).request(ListConfigResources, { resourceTypes })
      return {
        ...withError(answer),
        configResources: answer.configResources.map(({ resourceType, resourceName }) => `${resourceType} ${resourceName}`)
      }
    }
    expect(await list([2])).toMatchObject({ error: 'NONE', configResources: expect.arrayContaining(['2 one']) })
    expect(await list([4, 16])).toMatchObject({ error: 'NONE', configResources: ['4 0'] })
    expect((await list([])).configResources).toEqual(expect.arrayContaining(['2 one', '4 0', '8 0']))
    expect(await list([2], 0)).toMatchObject({ error: 'NONE', configResources: [] })
    expect(await list([99])).toMatchObject({ error: 'UNSUPPORTED_VERSION' })
  })

  it('for an id for a producer, gives no id twice, not even after a restart', async () => {
    const { node, client, storage } = await openNode()
    const ask = async (from = client) => from.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 1 })
    const given = await Promise.all(Array.from({ length: 1500 }, () => ask()))
    const again = await openNode({ storage })
    given.push(await ask(again.client))
    await node.close()
    expect(new Set(given.map(({ producerId }) => producerId)).size).toBe(1501)
    expect(given.every(({ errorCode, producerEpoch }) => errorCode === 0 && producerEpoch === 0)).toBe(true)
  })

  it('for an id for transactions without a name, refuses', async () => {
    const { client } = await openNode()
    const ask = (transactionalId: string) => client.request(InitProducerId, { transactionalId, transactionTimeoutMs: 1 })
    expect(withError(await ask('')).error).toBe('INVALID_REQUEST')
  })

  it('which features it has, names the version of transactions', async () => {
    const { client } = await openNode()
    const { supportedFeatures, finalizedFeatures } = await client.request(ApiVersions, {})
    expect(supportedFeatures).toEqual([{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }])
    expect(finalizedFeatures).toEqual([{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 }])
  })
})

describe('partitions of topics, page by page', () => {
  it('are all there, each once, whatever the size of a page', async () => {
    const { client } = await openNode()
    for (const [name, partitions] of [
      ['a', 3],
      ['b', 1],
      ['c', 5]
    ] as const)
      await createTopic(client, name, partitions)
    const topics = ['c', 'b', 'a', 'b', 'nowhere'].map(name => ({ name }))
    for (const responsePartitionLimit of [1, 2, 3, 4, 100]) {
      const seen: string[] = []
      let cursor: { topicName: string; partitionIndex: number } | null = null
      do {
        const request = { topics, responsePartitionLimit, cursor }
        const answer: ResponseOf<typeof DescribeTopicPartitions> = await client.request(DescribeTopicPartitions, request)
        const page = answer.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex }) => `${name}-${partitionIndex}`))
        expect(page.length).toBeLessThanOrEqual(responsePartitionLimit)
        seen.push(...page)
        cursor = answer.nextCursor ?? null
      } while (cursor)
      expect(seen, `pages of ${responsePartitionLimit}`).toEqual(['a-0', 'a-1', 'a-2', 'b-0', 'c-0', 'c-1', 'c-2', 'c-3', 'c-4'])
    }
  })

  it('of a topic that does not exist are an error of that topic', async () => {
    const { client } = await openNode()
    await createTopic(client, 'a')
    const { topics } = await client.request(DescribeTopicPartitions, { topics: [{ name: 'a' }, { name: 'b' }, { name: 'b/c' }] })
    expect(topics.map(topic => [topic.name, withError(topic).error])).toEqual([
      ['a', 'NONE'],
      ['b', 'UNKNOWN_TOPIC_OR_PARTITION'],
      ['b/c', 'INVALID_TOPIC_EXCEPTION']
    ])
  })

  it('of all topics are told when none is named', async () => {
    const { client } = await openNode()
    await createTopic(client, 'a', 2)
    const { topics } = await client.request(DescribeTopicPartitions, { topics: [] })
    expect(topics.find(({ name }) => name === 'a')?.partitions).toHaveLength(2)
  })
})

describe('access control', () => {
  it('is said to be switched off, as a Kafka without an authorizer says', async () => {
    const { client } = await openNode()
    const filter = {
      resourceTypeFilter: 1,
      resourceNameFilter: null,
      principalFilter: null,
      hostFilter: null,
      operation: 1,
      permissionType: 1
    }
    const creation = { resourceType: 2, resourceName: 'a', principal: 'User:ann', host: '*', operation: 3, permissionType: 3 }
    const described = await client.request(DescribeAcls, filter)
    const { results } = await client.request(CreateAcls, { creations: [creation, creation] })
    const { filterResults } = await client.request(DeleteAcls, { filters: [filter] })
    expect([described, ...results, ...filterResults].map(answer => withError(answer).error)).toEqual(Array(4).fill('SECURITY_DISABLED'))
  })
})
