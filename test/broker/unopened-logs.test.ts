import { expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { seededRandom } from '../../src/common/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

it.each(['open', 'list', 'append'] as const)(
  'a topic whose log cannot be opened says so to whoever uses it, and can be deleted and made anew: %s fails',
  async operation => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const cluster = await Cluster.open({ storage: disk.mount() })
    const admin = cluster.admin()
    const stopped: unknown[] = []
    cluster.on('partitionStopped', ({ topic, partition }) => stopped.push([topic, partition]))
    disk.fail({ operation, name: /^orders-1/ })
    expect(await admin.createTopic({ name: 'orders', partitions: 2 })).toMatchObject({ partitions: 2 })
    expect(disk.faultsMet).toBe(1)
    expect(stopped).toEqual([['orders', 1]])
    expect((await admin.describeTopics(['orders']))[0].partitions).toHaveLength(2)
    await expect(admin.createTopic({ name: 'orders', partitions: 2 })).rejects.toMatchObject({ code: 'TOPIC_ALREADY_EXISTS' })
    const producer = cluster.producer({ deliveryTimeoutMs: 200, retryBackoffMs: 20 })
    expect(await producer.send('orders', { value: 'a', partition: 0 })).toMatchObject({ offset: 0 })
    await expect(producer.send('orders', { value: 'a', partition: 1 })).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    await admin.deleteTopics(['orders'])
    await admin.createTopic({ name: 'orders', partitions: 2 })
    expect(await producer.send('orders', { value: 'b', partition: 1 })).toMatchObject({ offset: 0 })
    await cluster.close()
    const again = await Cluster.open({ storage: disk.mount() })
    expect(again.topic('orders').partitions.map(({ logEndOffset }) => logEndOffset)).toEqual([0, 1])
    await again.close()
  }
)
