import { afterEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { heapLimitBytes } from '../../src/common/machine-memory.js'
import type { KafkaError } from '../../src/errors.js'

let cluster: Cluster

afterEach(() => cluster.close())

/** What creating a topic fails with; undefined when it is created. */
async function refusal(name: string, partitions = 1): Promise<KafkaError | undefined> {
  return cluster
    .admin()
    .createTopic({ name, partitions })
    .then(
      () => undefined,
      error => error as KafkaError
    )
}

describe('the limits of a cluster’s metadata', () => {
  it('bound the partitions in all, over many requests, and say which config allows how many', async () => {
    cluster = await Cluster.open({ configs: { 'millrace.max.partitions': 10 } })
    expect(await refusal('a', 6)).toBeUndefined()
    const error = await refusal('b', 5)
    expect(error?.code).toBe('POLICY_VIOLATION')
    expect(error?.message).toBe(
      'There is no room for 5 partitions for `b`: there are 6 already, and `millrace.max.partitions` allows 10 partitions in all'
    )
    expect(await refusal('c', 4)).toBeUndefined()
    await expect(cluster.admin().createPartitions('a', 7)).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
    await cluster.admin().deleteTopics(['c'])
    await cluster.admin().createPartitions('a', 7)
  })

  it('bound the partitions of a topic', async () => {
    cluster = await Cluster.open({ configs: { 'millrace.max.partitions.per.topic': 3 } })
    expect((await refusal('a', 4))?.message).toMatch(/`millrace.max.partitions.per.topic` allows 3/)
    expect(await refusal('a', 2)).toBeUndefined()
    await expect(cluster.admin().createPartitions('a', 4)).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
  })

  it('bound the topics, those that come into being by being used as well', async () => {
    cluster = await Cluster.open({ configs: { 'millrace.max.topics': 2 } })
    await cluster.producer().send('a', { value: 'x' })
    expect(await refusal('b')).toBeUndefined()
    expect((await refusal('c'))?.message).toMatch(/`millrace.max.topics` allows 2 topics/)
    const sent = cluster.producer({ maxBlockMs: 300 }).send('d', { value: 'x' })
    await expect(sent).rejects.toMatchObject({ name: 'KafkaError' })
    expect([...cluster.topics.keys()].sort()).toEqual(['a', 'b'])
  })

  it('leave room for what the cluster keeps for itself', async () => {
    cluster = await Cluster.open({ configs: { 'millrace.max.partitions': 1, 'millrace.max.topics': 1 } })
    expect(await refusal('a')).toBeUndefined()
    const consumer = cluster.consumer({ groupId: 'g', topics: ['a'] })
    await consumer.start()
    await consumer.close()
  })

  it('are such by default that a quarter of the heap is enough for all partitions', async () => {
    cluster = await Cluster.open()
    const most = Math.min(100_000, heapLimitBytes() / 4 / (12 * 1024))
    let total = 0
    for (let i = 0; total + 10_000 <= most && i < 1; i++) {
      expect(await refusal(`t${i}`, 10_000)).toBeUndefined()
      total += 10_000
    }
    expect((await refusal('one-too-many', 10_001))?.code).toBe('POLICY_VIOLATION')
  })
})
