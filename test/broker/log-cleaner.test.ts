import { describe, expect, it } from 'vitest'
import { type LocalBroker, LocalBroker as Node, nodeOf } from '../../src/broker/local-broker.js'
import { appendToPartition, type Partition } from '../../src/broker/partition.js'
import { seededRandom } from '../../src/common/random.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { createTopic, openNode } from './helpers.js'

const compacted = { 'cleanup.policy': 'compact', 'segment.bytes': '200', 'max.message.bytes': '200' }

async function write(node: LocalBroker, topic: string, ...keys: string[]): Promise<Partition> {
  const partition = node.topics.get(topic)?.partitions[0] as Partition
  for (const key of keys)
    await appendToPartition(partition, RecordBatch.of([{ key, value: 'some value', timestamp: nodeOf(node).clock.now() }]).bytes)
  return partition
}

describe('a node', () => {
  it('compacts what is due in housekeeping, the dirtiest first, and tells of it', async () => {
    const { node, client } = await openNode()
    await createTopic(client, 'once', 1, compacted)
    await createTopic(client, 'often', 1, { ...compacted, 'min.cleanable.dirty.ratio': '0.1' })
    await createTopic(client, 'kept', 1, { ...compacted, 'cleanup.policy': 'delete' })
    await write(node, 'often', 'a', 'b', 'c', 'd', 'e', 'f', 'x')
    await node.housekeeping()
    const told: string[] = []
    node.events.on('compacted', ({ topic, partition, recordsRead, recordsKept }) =>
      told.push(`${topic}-${partition} ${recordsRead} to ${recordsKept}`)
    )
    await write(node, 'often', 'a', 'b', 'y')
    await write(node, 'once', 'a', 'a', 'a', 'x', 'y', 'z')
    await write(node, 'kept', 'a', 'a', 'a', 'a', 'a')
    await node.housekeeping()
    expect(told).toEqual(['once-0 4 to 2', 'often-0 8 to 7'])
    await node.close()
  })

  it('compacts by itself after a while', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const clock = new VirtualClock()
    const node = await Node.open({ storage: disk.mount(), clock, random: seededRandom(1), configs: { 'log.cleaner.backoff.ms': 1000 } })
    await createTopic(node.connect({ clientId: 'test' }), 'orders', 1, compacted)
    const { log } = await write(node, 'orders', 'a', 'a', 'a', 'a', 'x')
    const report = new Promise(resolve => node.events.once('compacted', resolve))
    await clock.advance(999)
    expect(log.firstDirtyOffset).toBe(0)
    await clock.advance(1)
    expect(await report).toMatchObject({ topic: 'orders', recordsRead: 4, recordsKept: 1 })
    await node.close()
  })

  it('does not let memory fill up until then', async () => {
    const { node, client, clock } = await openNode()
    await createTopic(client, 'orders', 1, compacted)
    for (let i = 0; i < 500; i++) {
      await write(node, 'orders', 'a', 'b')
      await clock.advance(0)
    }
    expect(node.topics.get('orders')?.partitions[0].log.sizeInBytes).toBeLessThan(2000)
    await node.close()
  })

  it('tells when a log cannot be compacted, leaves it alone for some time, and goes on with others', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const clock = new VirtualClock()
    const node = await Node.open({
      storage: disk.mount(),
      clock,
      random: seededRandom(1),
      configs: { 'log.cleaner.backoff.ms': 10_000_000 }
    })
    const client = node.connect({ clientId: 'test' })
    for (const topic of ['bad', 'good']) {
      await createTopic(client, topic, 1, compacted)
      await write(node, topic, 'a', 'a', 'a', 'a', 'x')
    }
    const told: string[] = []
    node.events.on('error', ({ error, during }) => told.push(`${during}: ${(error as Error).message}`))
    disk.fail({ operation: 'open', name: /bad.*cleaned$/, code: 'ENOSPC' })
    await node.housekeeping()
    expect(told).toEqual([expect.stringMatching(/^compaction of bad-0: .*ENOSPC/)])
    const dirty = () => ['bad', 'good'].map(topic => node.topics.get(topic)?.partitions[0].log.firstDirtyOffset)
    expect(dirty()).toEqual([0, 4])
    await node.housekeeping()
    expect(dirty()).toEqual([0, 4])
    await clock.advance(5 * 60_000)
    await node.housekeeping()
    expect(dirty()).toEqual([4, 4])
    expect(told).toHaveLength(1)
    await node.close()
  })

  it('is closed, or loses a topic, in the middle of a compaction', async () => {
    const { node, client } = await openNode()
    const told: unknown[] = []
    node.events.on('error', event => told.push(event))
    await createTopic(client, 'orders', 1, { ...compacted, 'segment.bytes': '100000', 'max.message.bytes': '100000' })
    const partition = await write(node, 'orders')
    for (let i = 0; i < 50; i++) await appendToPartition(partition, RecordBatch.of([{ key: 'a', value: 'v'.repeat(50_000) }]).bytes)
    const housekeeping = node.housekeeping()
    await node.close()
    await housekeeping
    expect(told).toEqual([])
    expect(partition.log.firstDirtyOffset).toBe(0)
  })
})
