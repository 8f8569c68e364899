import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../src/cluster.js'
import { openCluster, settle, takeValues, textConsumer } from './helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

describe('wrong options', () => {
  it.each([
    [{ groupID: 'g' }, 'groupID'],
    [{ groupId: '' }, 'groupId'],
    [{ topics: [] }, 'topics'],
    [{ topics: 'orders' }, 'topics'],
    [{ topics: ['no spaces'] }, 'topic name'],
    [{ topics: [{ name: 'orders' }] }, 'orders.key.deserialize'],
    [{ autoOffsetReset: 'smallest' }, 'autoOffsetReset'],
    [{ maxPollRecords: 0 }, 'maxPollRecords'],
    [{ fetchMaxWaitMs: 1.5 }, 'fetchMaxWaitMs'],
    [{ isolationLevel: 1 }, 'isolationLevel'],
    [{ autoCommit: true }, 'groupId'],
    [{ groupInstanceId: 'one' }, 'groupId'],
    [{ groupId: 'g', heartbeatIntervalMs: 50_000 }, 'heartbeatIntervalMs'],
    [{ rejection: 'ignore' }, 'rejection'],
    [{ assignors: [] }, 'assignors'],
    [{ onAssigned: true }, 'onAssigned'],
    [{ key: {} }, 'key.deserialize']
  ])('%j are refused by name', (options, name) => {
    const open = () => cluster.consumer(options as object)
    expect(open).toThrow(TypeError)
    expect(open).toThrow(name)
  })

  it.each([
    [{}, 'eachRecord'],
    [{ eachRecord: () => {}, eachBatch: () => {} }, 'eachRecord'],
    [{ eachRecord: 1 }, 'eachRecord'],
    [{ eachRecord: () => {}, concurrency: 0 }, 'concurrency'],
    [{ eachBatch: () => {}, orderBy: 'key' }, 'orderBy'],
    [{ eachRecord: () => {}, retry: { attempts: 0 } }, 'retry.attempts'],
    [{ eachRecord: () => {}, retry: { tries: 2 } }, 'tries'],
    [{ eachRecord: () => {}, deadLetter: { topic: 'x' } }, 'deadLetter.producer']
  ])('of run are refused by name: %j', async (options, name) => {
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    const running = consumer.run(options as never)
    await expect(running).rejects.toThrow(TypeError)
    await expect(running).rejects.toThrow(name)
  })
})

describe('a consumer', () => {
  it('is read by one loop at a time', async () => {
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    const loop = takeValues(consumer, 1)
    await settle()
    await expect(takeValues(consumer, 1)).rejects.toThrow(TypeError)
    await expect(consumer.run({ eachRecord: () => {} })).rejects.toThrow('read already')
    await consumer.close()
    await loop
  })

  it('subscribes or is assigned, not both', async () => {
    await using subscribed = textConsumer(cluster, { topics: ['orders'] })
    expect(() => subscribed.assign([{ topic: 'orders', partition: 0 }])).toThrow(TypeError)
    await using assigned = textConsumer(cluster)
    assigned.assign([{ topic: 'orders', partition: 0 }])
    expect(() => assigned.subscribe('orders')).toThrow(TypeError)
  })

  it('can change its mind after unsubscribe', async () => {
    await using consumer = textConsumer(cluster, { groupId: 'g', topics: ['orders'] })
    await consumer.start()
    await consumer.unsubscribe()
    expect(consumer.assignment()).toEqual([])
    consumer.assign([{ topic: 'orders', partition: 0 }])
    await consumer.start()
    expect(consumer.assignment()).toEqual([{ topic: 'orders', partition: 0 }])
  })

  it('needs something to read', async () => {
    await using consumer = textConsumer(cluster)
    await expect(takeValues(consumer, 1)).rejects.toThrow('nothing to read')
  })

  it('commits to a group only', async () => {
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    await expect(consumer.commit()).rejects.toThrow('groupId')
    await expect(consumer.committed()).rejects.toThrow('groupId')
  })

  it('says so when it is closed', async () => {
    const consumer = textConsumer(cluster, { groupId: 'g', topics: ['orders'] })
    await consumer.close()
    await expect(takeValues(consumer, 1)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(consumer.commit()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(consumer.start()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => consumer.pause()).toThrow('closed')
  })
})
