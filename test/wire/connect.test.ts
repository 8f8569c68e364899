import { expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { connect } from '../../src/wire/connect.js'
import { listen } from '../../src/wire/listener.js'

it('clients of a cluster elsewhere leave no connection behind when they are closed', async () => {
  await using here = await Cluster.open()
  await here.admin().createTopic({ name: 'orders', partitions: 1 })
  await using listener = await listen(here)
  await using cluster = await connect({ brokers: [listener.address] })
  const before = listener.connectionCount
  const lessAgain = async () => {
    while (listener.connectionCount > before) await new Promise(setImmediate)
  }

  const admin = cluster.admin()
  await admin.listTopics()
  await admin.close()
  await lessAgain()

  const producer = cluster.producer()
  await producer.send('orders', { value: 'a' })
  await producer.close()
  await lessAgain()

  const consumer = cluster.consumer({ groupId: 'g', topics: ['orders'], autoOffsetReset: 'earliest' })
  for await (const _ of consumer) break
  await consumer.close()
  await lessAgain()
  expect(listener.connectionCount).toBe(before)
})

it('an admin elsewhere knows the partitions that others have added to a topic since it last asked', async () => {
  await using here = await Cluster.open()
  await here.admin().createTopic({ name: 'orders', partitions: 3 })
  await using listener = await listen(here)
  await using cluster = await connect({ brokers: [listener.address] })
  const admin = cluster.admin()
  const ends = async () => (await admin.listOffsets(['orders'], 'latest')).length
  expect(await ends()).toBe(3)
  await here.admin().createPartitions('orders', 5)
  expect(await ends()).toBe(5)
  const reset = await admin.resetGroupOffsets('g', { partitions: ['orders'], to: 'latest' })
  expect(reset).toHaveLength(5)
})
