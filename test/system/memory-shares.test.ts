import { describe, expect, it } from 'vitest'
import { nodeOf } from '../../src/broker/local-broker.js'
import { Cluster, type Consumer, type Producer } from '../../src/index.js'
import { connect, listen } from '../../src/wire/index.js'
import { collectGarbage } from '../collect-garbage.js'
import { DelayedStorage } from '../storage/delayed-storage.js'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const maxMemoryBytes = 8 * mebibyte
const eighth = mebibyte
const value = 'x'.repeat(10 * kibibyte)

/** Watches what a cluster holds until it is told to stop, and tells the most that each part held. */
function watch(cluster: Cluster) {
  const { memoryShares, storage } = nodeOf(cluster.node!)
  const [producers, connections] = [memoryShares.forProducers(), memoryShares.forConnections()]
  const most = { all: 0, records: 0, producers: 0, connections: 0 }
  let isOver = false
  const look = () => {
    const records = (storage.memoryBytes ?? 0) + memoryShares.records.takenBytes
    most.records = Math.max(most.records, records)
    most.producers = Math.max(most.producers, producers.takenBytes)
    most.connections = Math.max(most.connections, connections.takenBytes)
    most.all = Math.max(most.all, records + producers.takenBytes + connections.takenBytes)
    if (!isOver) setImmediate(look)
  }
  look()
  return {
    most,
    stop() {
      isOver = true
      return most
    },
    get held() {
      return { records: memoryShares.records.takenBytes, producers: producers.takenBytes, connections: connections.takenBytes }
    }
  }
}

async function readAll(consumers: readonly Consumer[], count: number): Promise<void> {
  let left = count
  await Promise.all(
    consumers.map(async consumer => {
      for await (const batch of consumer.batches()) {
        left -= [...batch].length
        if (left <= 0) return
      }
    })
  )
}

/** Reads each partition of `orders` to its end with a consumer of its own; `onFirst` is called when each has a record in hand. */
async function readAtOnce(cluster: Cluster, partitions: number, onFirst: () => void): Promise<void> {
  const consumers = Array.from({ length: partitions }, (_, partition) => {
    const consumer = cluster.consumer({ autoOffsetReset: 'earliest', maxPartitionFetchBytes: 4 * mebibyte })
    consumer.assign([{ topic: 'orders', partition }])
    return consumer
  })
  const loops = consumers.map(consumer => consumer.records())
  for (const { done } of await Promise.all(loops.map(loop => loop.next()))) expect(done).toBe(false)
  onFirst()
  await Promise.all(
    loops.map(async loop => {
      for (let count = 1; count < 200; count++) expect((await loop.next()).done).toBe(false)
      await loop.return()
    })
  )
  await Promise.all(consumers.map(consumer => consumer.close()))
}

describe('one number bounds all that a cluster holds on behalf of records:', () => {
  it('of many producers, in process and over the wire, and partitions that are full', async () => {
    await using cluster = await Cluster.open({ maxMemoryBytes, configs: { 'num.partitions': 4 } })
    await using listener = await listen(cluster)
    await using remote = await connect({ brokers: [listener.address] })
    const consumer = cluster.consumer({ groupId: 'g', topics: ['orders'], autoOffsetReset: 'earliest' })
    await cluster.admin().createTopics(['orders'])
    await consumer.start()
    const watched = watch(cluster)
    const records = Array.from({ length: 200 }, (_, i) => ({ value, partition: i % 4 }))
    const options = { batchSize: 200 * kibibyte }
    const producers: Producer[] = [
      ...Array.from({ length: 8 }, () => cluster.producer(options)),
      ...Array.from({ length: 4 }, () => remote.producer(options))
    ]
    const sent = producers.map(producer => producer.sendBatch('orders', records))
    // Everything waits for the reader now: 24 MB of records, of which 8 fit.
    await expect.poll(() => cluster.node!.heldBecause('orders', 0), { timeout: 10_000 }).toBeDefined()
    await readAll([consumer], producers.length * records.length)
    await Promise.all(sent)
    const { all, connections, producers: ofProducers } = watched.stop()
    expect(ofProducers).toBeGreaterThan(eighth / 2)
    // A producer without any record under way may always take one in, and so may a connection with its request.
    expect(ofProducers).toBeLessThanOrEqual(eighth + 8 * options.batchSize)
    expect(connections).toBeGreaterThan(0)
    expect(connections).toBeLessThanOrEqual(eighth + options.batchSize)
    expect(all).toBeLessThanOrEqual(maxMemoryBytes + 8 * options.batchSize)
    await expect.poll(() => watched.held).toEqual({ records: 0, producers: 0, connections: 0 })
    await consumer.close()
  }, 60_000)

  it('of many readers from a disk, which get smaller answers when others hold much, and all of the records', async () => {
    await using cluster = await Cluster.open({ storage: new DelayedStorage({ durable: true }), maxMemoryBytes })
    const partitions = 12
    await cluster.admin().createTopics([{ name: 'orders', partitions }])
    const producer = cluster.producer({ batchSize: 50 * kibibyte })
    const records = Array.from({ length: 200 * partitions }, (_, i) => ({ value, partition: i % partitions }))
    await producer.sendBatch('orders', records)
    const watched = watch(cluster)
    await readAtOnce(cluster, partitions, () => expect(watched.held.records).toBeGreaterThan(mebibyte))
    const { records: mostRecords } = watched.stop()
    expect(mostRecords).toBeLessThanOrEqual(6 * mebibyte + partitions * 64 * kibibyte)
    // What was in hand when a consumer closed is left to the collector, and counts until then.
    const left = () => {
      collectGarbage()
      return watched.held.records
    }
    await expect.poll(left, { timeout: 10_000 }).toBe(0)
  }, 60_000)
})
