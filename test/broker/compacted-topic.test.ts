import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { seededRandom } from '../../src/common/random.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { memoryStorage } from '../../src/storage/memory/memory.js'
import type { Storage } from '../../src/storage/storage.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

const configs = { 'cleanup.policy': 'compact', 'segment.bytes': 1000, 'max.message.bytes': 1000, 'min.cleanable.dirty.ratio': 0.01 }

async function openCluster(storage: Storage = memoryStorage()) {
  const cluster = await Cluster.open({ storage, configs: { 'offsets.topic.num.partitions': 1 } })
  return cluster
}

async function readTable(cluster: Cluster, topic: string): Promise<Record<string, string>> {
  const table: Record<string, string> = {}
  const consumer = cluster.consumer({ topics: [topic], autoOffsetReset: 'earliest' })
  const end = cluster.topic(topic).partitions[0].logEndOffset
  const decoder = new TextDecoder()
  for await (const { key, value, offset } of consumer) {
    if (value === null) delete table[decoder.decode(key ?? undefined)]
    else table[decoder.decode(key ?? undefined)] = decoder.decode(value)
    if (offset === end - 1) break
  }
  await consumer.close()
  return table
}

describe('a compacted topic', () => {
  it('gives a consumer the last value of each key, however often the cleaner came by', async () => {
    const cluster = await openCluster()
    const admin = cluster.admin()
    await admin.createTopics([{ name: 'prices', partitions: 1, configs }])
    const producer = cluster.producer({ lingerMs: 0 })
    const expected: Record<string, string> = {}
    for (let i = 0; i < 400; i++) {
      const key = `item-${(i * 7) % 23}`
      const value = i % 11 === 0 ? null : `price ${i}`
      await producer.send('prices', { key, value })
      if (value === null) delete expected[key]
      else expected[key] = value
      if (i % 50 === 0) await cluster.housekeeping()
    }
    await producer.send('prices', { key: 'end', value: 'x' })
    await cluster.housekeeping()
    const { log } = cluster.topic('prices').partitions[0]
    expect(log.sizeInBytes).toBeLessThan(8_000)
    expect(await readTable(cluster, 'prices')).toEqual({ ...expected, end: 'x' })
    await cluster.close()
  })

  it('tells of each compaction', async () => {
    const cluster = await openCluster()
    await cluster.admin().createTopics([{ name: 'prices', partitions: 1, configs }])
    const told: string[] = []
    cluster.on('compacted', ({ topic, partition }) => told.push(`${topic}-${partition}`))
    const producer = cluster.producer({ lingerMs: 0 })
    for (let i = 0; i < 50; i++) await producer.send('prices', { key: 'a', value: `${i}` })
    await cluster.housekeeping()
    expect(told).toContain('prices-0')
    await cluster.close()
  })
})

describe('the committed offsets of groups', () => {
  it('take no more room on a disk than what counts, and come back', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const first = await openCluster(disk.mount())
    await first.admin().createTopics([{ name: 'orders', partitions: 3 }])
    for (let offset = 0; offset < 4_500; offset++) await commit(first, `group-${offset % 5}`, offset % 3, offset)
    const bytes = () =>
      Object.entries(disk.files()).reduce((sum, [name, size]) => sum + (/consumer_offsets.*log$/.test(name) ? size : 0), 0)
    const before = bytes()
    expect(before).toBeGreaterThan(16 * 1024 * 1024)
    await first.housekeeping()
    expect(bytes()).toBeLessThan(before / 3)
    expect(first.topic('__consumer_offsets').partitions[0].log.logStartOffset).toBe(0)
    await first.close()

    const second = await openCluster(disk.mount())
    for (let group = 0; group < 5; group++) {
      const offsets = await second.admin().listGroupOffsets(`group-${group}`)
      expect(offsets.map(({ partition, offset }) => [partition, offset]).sort()).toEqual(
        Array.from({ length: 15 }, (_, i) => 4_485 + i)
          .filter(offset => offset % 5 === group)
          .map(offset => [offset % 3, offset])
          .sort()
      )
    }
    await second.close()
  })
})

async function commit(cluster: Cluster, groupId: string, partitionIndex: number, committedOffset: number): Promise<void> {
  const client = cluster.node?.connect({ clientId: 'test' })
  const partitions = [{ partitionIndex, committedOffset, committedMetadata: 'm'.repeat(4000) }]
  const answer = await client?.request(OffsetCommit, { groupId, memberId: '', topics: [{ name: 'orders', partitions }] })
  expect(answer?.topics[0].partitions[0].errorCode).toBe(0)
}
