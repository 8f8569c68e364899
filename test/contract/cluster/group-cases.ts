import { expect, it } from 'vitest'
import { cooperativeStickyAssignor, rangeAssignor, string, topic } from '../../../src/index.js'
import { eventually } from '../broker/eventually.js'
import { fresh } from '../broker/world.js'
import type { ClusterStage } from './cluster-contract.js'
import { numbered, readOn, send, take, takeValues, textConsumer } from './reading.js'

export function groupCases(stage: ClusterStage): void {
  const orders = async (partitions = 3) => {
    const name = fresh('orders')
    await using admin = stage.cluster.admin()
    await admin.createTopic({ name, partitions })
    return name
  }

  it.each([
    ['eager', rangeAssignor],
    ['cooperative', cooperativeStickyAssignor]
  ])('share the work among their members, with an %s assignor', async (_, assignor) => {
    const { cluster } = stage
    const [name, groupId] = [await orders(4), fresh('group')]
    const options = { groupId, topics: [name], assignors: [assignor] }
    const seen: string[][] = [[], []]
    const consumers = seen.map(() => textConsumer(cluster, options))
    const loops = consumers.map((consumer, i) => readOn(consumer, ({ value }) => void seen[i].push(value)))
    await eventually(async () => expect(consumers.map(consumer => consumer.assignment().length)).toEqual([2, 2]))
    const owned = consumers.flatMap(consumer => consumer.assignment().map(({ partition }) => partition))
    expect(owned.sort()).toEqual([0, 1, 2, 3])
    for (const partition of [0, 1, 2, 3]) await send(cluster, name, numbered(`${partition}-`, 50), partition)
    await eventually(async () => expect(seen.flat().length).toBeGreaterThanOrEqual(200))
    expect(new Set(seen.flat()).size).toBe(200)
    expect(seen.map(({ length }) => length)).toEqual([100, 100])
    await Promise.all(consumers.map(consumer => consumer.close()))
    await Promise.all(loops)
  })

  it('hand over to the others what a member had that leaves, and nothing is lost', async () => {
    const { cluster } = stage
    const [name, groupId] = [await orders(4), fresh('group')]
    const seen = new Set<string>()
    const [leaving, staying] = [0, 1].map(() => textConsumer(cluster, { groupId, topics: [name] }))
    const loops = [leaving, staying].map(consumer => readOn(consumer, ({ value }) => void seen.add(value)))
    await eventually(async () => expect([leaving, staying].map(consumer => consumer.assignment().length)).toEqual([2, 2]))
    const sending = (async () => {
      for (let i = 0; i < 20; i++) await send(cluster, name, numbered(`${i}-`, 10))
    })()
    await eventually(async () => expect(seen.size).toBeGreaterThan(20))
    await leaving.close()
    await sending
    await eventually(async () => expect(seen.size).toBe(200))
    await eventually(async () => expect(staying.assignment()).toHaveLength(4))
    await staying.close()
    await Promise.all(loops)
  })

  it('each get everything', async () => {
    const { cluster } = stage
    const name = await orders()
    await send(cluster, name, numbered('v', 60))
    for (const groupId of [fresh('group'), fresh('group')]) {
      await using consumer = textConsumer(cluster, { groupId, topics: [name] })
      expect((await takeValues(consumer, 60)).sort()).toEqual(numbered('v', 60).sort())
    }
  })

  it('go on where they were when a member starts again', async () => {
    const { cluster } = stage
    const [name, groupId] = [await orders(1), fresh('group')]
    await send(cluster, name, numbered('v', 10), 0)
    {
      await using first = textConsumer(cluster, { groupId, topics: [name] })
      expect(await takeValues(first, 4)).toEqual(numbered('v', 4))
      expect(await first.committed()).toMatchObject([{ topic: name, partition: 0, offset: 4 }])
    }
    {
      // What is in hand when a loop is left has not been handled.
      await using second = textConsumer(cluster, { groupId, topics: [name] })
      expect((await take(second as AsyncIterable<{ value: string }>, 3)).map(({ value }) => value)).toEqual(numbered('v', 3, 4))
    }
    await using third = textConsumer(cluster, { groupId, topics: [name] })
    expect(await takeValues(third, 4)).toEqual(numbered('v', 4, 6))
  })

  it('keep the offsets that are committed by hand, and nothing else', async () => {
    const { cluster } = stage
    const [name, groupId] = [await orders(1), fresh('group')]
    await send(cluster, name, numbered('v', 10), 0)
    {
      await using first = textConsumer(cluster, { groupId, topics: [name], autoCommit: false })
      await takeWithoutCommit(first, 8)
      await first.commit([{ topic: name, partition: 0, offset: 3, metadata: 'by hand' }])
      expect(await first.committed()).toMatchObject([{ offset: 3, metadata: 'by hand' }])
    }
    await using second = textConsumer(cluster, { groupId, topics: [name] })
    expect(await takeValues(second, 2)).toEqual(['v3', 'v4'])
  })

  it('take in topics that appear later, where a pattern says so', async () => {
    const { cluster } = stage
    const prefix = fresh('pattern')
    await send(cluster, `${prefix}.eu`, ['eu'], 0)
    await using consumer = textConsumer(cluster, { groupId: fresh('group'), topics: [new RegExp(`^${prefix}`)] })
    const seen: string[] = []
    const loop = readOn(consumer, ({ value }) => void seen.push(value))
    await eventually(async () => expect(seen).toEqual(['eu']))
    await send(cluster, `${prefix}.us`, ['us'], 0)
    await eventually(async () => expect(seen).toEqual(['eu', 'us']))
    await consumer.close()
    await loop
  })

  it('take in partitions that are added', async () => {
    const { cluster } = stage
    const name = await orders(1)
    await using consumer = textConsumer(cluster, { groupId: fresh('group'), topics: [name] })
    const seen: string[] = []
    const loop = readOn(consumer, ({ value }) => void seen.push(value))
    await send(cluster, name, ['before'], 0)
    await using admin = cluster.admin()
    await admin.createPartitions(name, 3)
    await eventually(async () => expect(consumer.assignment()).toHaveLength(3))
    await eventually(() => send(cluster, name, ['after'], 2))
    await eventually(async () => expect(seen).toEqual(expect.arrayContaining(['before', 'after'])))
    await consumer.close()
    await loop
  })

  it('share out partitions that are added, also to members that have not seen them', async () => {
    const { cluster } = stage
    const [name, groupId] = [await orders(2), fresh('group')]
    await using leader = textConsumer(cluster, { groupId, topics: [name] })
    await leader.start()
    await using follower = textConsumer(cluster, { groupId, topics: [name], metadataMaxAgeMs: 300_000 })
    const seen: string[] = []
    const loops = [leader, follower].map(consumer => readOn(consumer, ({ value }) => void seen.push(value)))
    await eventually(async () => expect([leader, follower].map(consumer => consumer.assignment().length)).toEqual([1, 1]))
    await using admin = cluster.admin()
    await admin.createPartitions(name, 4)
    await eventually(async () => expect([leader, follower].map(consumer => consumer.assignment().length)).toEqual([2, 2]))
    for (const partition of [0, 1, 2, 3]) await send(cluster, name, [String(partition)], partition)
    await eventually(async () => expect([...seen].sort()).toEqual(['0', '1', '2', '3']))
    await Promise.all([leader.close(), follower.close()])
    await Promise.all(loops)
  })

  it('have their records handled several at a time, and commit them all', async () => {
    const { cluster } = stage
    const [name, groupId] = [await orders(3), fresh('group')]
    await send(cluster, name, numbered('v', 300))
    await using consumer = textConsumer(cluster, { groupId, topics: [name] })
    const seen: string[] = []
    let [busy, most] = [0, 0]
    const running = consumer.run({
      concurrency: 3,
      eachRecord: async record => {
        most = Math.max(most, ++busy)
        await new Promise(resolve => setImmediate(resolve))
        busy--
        seen.push(record.value as string)
        if (seen.length === 300) void consumer.close()
      }
    })
    await running
    expect([...seen].sort()).toEqual(numbered('v', 300).sort())
    expect(most).toBeGreaterThan(1)
    await using admin = cluster.admin()
    const offsets = await admin.listGroupOffsets(groupId)
    expect(offsets.reduce((sum, { offset }) => sum + offset, 0)).toBe(300)
  })

  it('restart members with a lasting name without a rebalance', async () => {
    const { cluster } = stage
    const options = { groupId: fresh('group'), topics: [await orders(2)], groupInstanceId: 'one' }
    const generations: number[] = []
    for (let life = 0; life < 2; life++) {
      await using consumer = textConsumer(cluster, options)
      consumer.on('rebalanced', ({ generationId }) => generations.push(generationId))
      await consumer.start()
      expect(consumer.assignment()).toHaveLength(2)
    }
    expect(generations).toEqual([1, 1])
  })

  it('read typed topics and plain ones side by side', async () => {
    const { cluster } = stage
    const typed = topic(fresh('typed'), { key: string, value: string, partitions: 1 })
    const plain = await orders(1)
    await using producer = cluster.producer()
    await producer.send(typed, { key: 'k', value: 'typed' })
    await producer.send(plain, { value: 'plain' })
    await using consumer = cluster.consumer({ groupId: fresh('group'), topics: [typed, plain], autoOffsetReset: 'earliest' })
    const values = (await take(consumer, 2)).map(({ value }) => (typeof value === 'string' ? value : Buffer.from(value).toString()))
    expect(values.sort()).toEqual(['plain', 'typed'])
  })
}

async function takeWithoutCommit(consumer: AsyncIterable<unknown>, count: number): Promise<void> {
  await take(consumer, count)
}
