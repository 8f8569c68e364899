import { describe, expect, it } from 'vitest'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { batch, createTopic, fetch, openNode, produce } from './helpers.js'

describe('a node that is opened again on its storage', () => {
  it('has its cluster id, topics, configs, records and offsets of groups', async () => {
    const first = await openNode()
    const topicId = await createTopic(first.client, 'orders', 1, { 'segment.bytes': '1000' })
    await createTopic(first.client, 'gone')
    await produce(first.client, 'orders', 0, batch('a', 'b'))
    await first.client.request(CreatePartitions, { topics: [{ name: 'orders', count: 2 }], timeoutMs: 1, validateOnly: false })
    await first.client.request(DeleteTopics, { topics: [{ name: 'gone' }], timeoutMs: 1 })
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: 'm' }]
    await first.client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 'orders', partitions }] })
    await first.node.close()

    const second = await openNode({ storage: first.storage })
    expect(second.node.clusterId).toBe(first.node.clusterId)
    expect([...second.node.topics.keys()]).toEqual(['orders', '__consumer_offsets'])
    const topic = second.node.topics.get('orders')!
    expect(topic.id).toBe(topicId)
    expect(topic.partitions.length).toBe(2)
    expect(topic.partitions[1].log.options.segmentBytes).toBe(1000)
    expect((await fetch(second.client, 'orders', [0]))[0]).toMatchObject({ highWatermark: 2, values: ['a', 'b'] })
    expect(await produce(second.client, 'orders', 0, batch('c'))).toMatchObject({ error: 'NONE', baseOffset: 2 })
    const { groups } = await second.client.request(OffsetFetch, { groups: [{ groupId: 'g', topics: null }] })
    expect(groups?.[0].topics).toMatchObject([{ name: 'orders', partitions: [{ committedOffset: 1, metadata: 'm' }] }])
  })

  it('keeps its metadata log small however often configs change', async () => {
    const { client, node, storage } = await openNode()
    await createTopic(client, 'orders')
    for (let i = 0; i < 30_000; i++) {
      const configs = [{ name: 'retention.ms', configOperation: 0, value: `${1000 + (i % 2)}` }]
      await client.request(IncrementalAlterConfigs, {
        resources: [{ resourceType: 2, resourceName: 'orders', configs }],
        validateOnly: false
      })
    }
    await node.close()
    const bytes = storage.list('__cluster_metadata-0').reduce((sum, file) => sum + storage.open(`__cluster_metadata-0/${file}`).length, 0)
    expect(bytes).toBeLessThan(6 * 1024 * 1024)
    const again = await openNode({ storage })
    expect(again.node.topics.get('orders')?.partitions[0].log.options.retentionMs).toBe(1001)
  })

  it('is not opened under another node id', async () => {
    const { node, storage } = await openNode()
    await node.close()
    await expect(openNode({ storage, nodeId: 1 })).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  })

  it('ignores what a deletion that was cut short has left', async () => {
    const { client, storage } = await openNode()
    const left = storage.open('orders-0/00000000000000000000.log')
    left.append(batch('stale'))
    await left.close()
    await createTopic(client, 'orders')
    expect(await fetch(client, 'orders', [0])).toMatchObject([{ error: 'NONE', highWatermark: 0, values: [] }])
  })
})
