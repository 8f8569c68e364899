import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import { next, numbered, openCluster, send, settle, take, takeValues, textConsumer } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const first = { topic: 'orders', partition: 0 }

describe('where reading starts', () => {
  it('is the end by default: what was there before is not read', async () => {
    await send(cluster, 'orders', ['before'], 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'], autoOffsetReset: 'latest' })
    await consumer.start()
    await send(cluster, 'orders', ['after'], 0)
    expect(await takeValues(consumer, 1)).toEqual(['after'])
  })

  it('is an error without a committed offset, when autoOffsetReset is none', async () => {
    await send(cluster, 'orders', ['a'], 0)
    await using consumer = textConsumer(cluster, { groupId: 'g', topics: ['orders'], autoOffsetReset: 'none' })
    await expect(takeValues(consumer, 1)).rejects.toMatchObject({ code: 'NO_OFFSET_FOR_PARTITION', topic: 'orders' })
  })

  it('can be told in onAssigned', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    const consumer = textConsumer(cluster, {
      groupId: 'g',
      topics: ['orders'],
      onAssigned: () => consumer.seek({ ...first, offset: 7 })
    })
    expect(await takeValues(consumer, 3)).toEqual(numbered('v', 3, 7))
  })
})

describe('seek', () => {
  it('goes to an offset, back and forth, also in the middle of a loop', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster)
    consumer.assign([first])
    consumer.seek({ ...first, offset: 5 })
    const values: string[] = []
    for await (const { value } of consumer) {
      values.push(value)
      if (values.length === 2) consumer.seek({ ...first, offset: 1 })
      if (values.length === 4) consumer.seek({ ...first, offset: 9 })
      if (values.length === 5) break
    }
    expect(values).toEqual(['v5', 'v6', 'v1', 'v2', 'v9'])
  })

  it('goes to the beginning, the end, and a time', async () => {
    await using producer = cluster.producer()
    for (const timestamp of [1000, 2000, 3000]) await producer.send('orders', { value: `at ${timestamp}`, partition: 0, timestamp })
    await using consumer = textConsumer(cluster)
    consumer.assign([first])
    await consumer.seekToTimestamp(1500)
    expect(await takeValues(consumer, 1)).toEqual(['at 2000'])
    await consumer.seekToBeginning([first])
    expect(await takeValues(consumer, 1)).toEqual(['at 1000'])
    await consumer.seekToEnd()
    expect(consumer.position(first)).toBe(3)
    await consumer.seekToTimestamp(9000)
    expect(consumer.position(first)).toBe(3)
  })

  it('wakes a loop that waits', async () => {
    await send(cluster, 'orders', ['a'], 0)
    await using consumer = textConsumer(cluster, { autoOffsetReset: 'latest' })
    consumer.assign([first])
    await consumer.start()
    const waiting = takeValues(consumer, 1)
    await settle()
    consumer.seek({ ...first, offset: 0 })
    expect(await waiting).toEqual(['a'])
  })

  it('beyond the log starts over as autoOffsetReset says, and tells so', async () => {
    await send(cluster, 'orders', ['a'], 0)
    await using consumer = textConsumer(cluster)
    consumer.assign([first])
    consumer.seek({ ...first, offset: 99 })
    const reset = next(consumer, 'offsetReset')
    expect(await takeValues(consumer, 1)).toEqual(['a'])
    expect(await reset).toEqual({ ...first, offset: 0, reason: 'outOfRange' })
  })

  it('beyond the log is an error when autoOffsetReset is none, after which one can seek again', async () => {
    await send(cluster, 'orders', ['a'], 0)
    await using consumer = textConsumer(cluster, { autoOffsetReset: 'none' })
    consumer.assign([first])
    consumer.seek({ ...first, offset: 99 })
    await expect(takeValues(consumer, 1)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', topic: 'orders', partition: 0 })
    consumer.seek({ ...first, offset: 0 })
    expect(await takeValues(consumer, 1)).toEqual(['a'])
  })

  it('refuses partitions that are not assigned, and offsets that are none', async () => {
    await using consumer = textConsumer(cluster)
    consumer.assign([first])
    expect(() => consumer.seek({ topic: 'orders', partition: 1, offset: 0 })).toThrow(TypeError)
    expect(() => consumer.seek({ ...first, offset: -1 })).toThrow(TypeError)
  })
})

describe('positions', () => {
  it('tell how far reading came, and the lag how far it has to go', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster)
    consumer.assign([first])
    await take(consumer, 4)
    expect(consumer.position(first)).toBe(4)
    expect(await consumer.lag()).toEqual([{ ...first, lag: 6 }])
    expect(await consumer.endOffsets()).toEqual([{ ...first, offset: 10 }])
    expect(await consumer.beginningOffsets()).toEqual([{ ...first, offset: 0 }])
  })

  it('of unknown partitions are an error that names them', async () => {
    await send(cluster, 'orders', ['a'], 0)
    await using consumer = textConsumer(cluster)
    consumer.assign([{ topic: 'orders', partition: 7 }])
    await expect(takeValues(consumer, 1)).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', partition: 7 })
  })
})

describe('pause', () => {
  it('holds a partition back until it is resumed, and loses nothing', async () => {
    await send(cluster, 'orders', numbered('a', 5), 0)
    await send(cluster, 'orders', numbered('b', 5), 1)
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    await consumer.start()
    consumer.pause([first])
    expect(consumer.paused()).toEqual([first])
    expect(await takeValues(consumer, 5)).toEqual(numbered('b', 5))
    consumer.resume([first])
    expect(await takeValues(consumer, 5)).toEqual(numbered('a', 5))
  })

  it('takes effect in the middle of a loop', async () => {
    await send(cluster, 'orders', numbered('a', 100), 0)
    await using consumer = textConsumer(cluster)
    consumer.assign([first])
    const values: string[] = []
    for await (const { value } of consumer) {
      values.push(value)
      if (values.length === 3) {
        consumer.pause()
        void settle().then(() => {
          expect(values).toHaveLength(3)
          consumer.resume()
        })
      }
      if (values.length === 100) break
    }
    expect(values).toEqual(numbered('a', 100))
  })

  it('lets the others come, also when the partition had been fetched ahead', async () => {
    for (let batch = 0; batch < 5; batch++) await send(cluster, 'orders', numbered('a', 10), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'], maxPartitionFetchBytes: 1 })
    let seen = 0
    for await (const { value } of consumer) {
      if (value === 'other') break
      if (++seen < 15) continue
      consumer.pause([first])
      void settle().then(() => send(cluster, 'orders', ['other'], 1))
    }
    expect(seen).toBe(15)
  })
})

describe('topics', () => {
  it('by pattern are those that match, and those that come to match later', async () => {
    await send(cluster, 'orders.eu', ['eu'], 0)
    await send(cluster, 'other', ['other'], 0)
    await using consumer = textConsumer(cluster, { topics: [/^orders\./g] })
    expect(await takeValues(consumer, 1)).toEqual(['eu'])
    const waiting = takeValues(consumer, 1)
    await settle()
    await send(cluster, 'orders.us', ['us'], 0)
    expect(await waiting).toEqual(['us'])
  })

  it('get their new partitions read', async () => {
    await send(cluster, 'orders', ['a'], 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    await takeValues(consumer, 1)
    const waiting = takeValues(consumer, 1)
    await settle()
    await using admin = cluster.admin()
    await admin.createPartitions('orders', 5)
    await send(cluster, 'orders', ['b'], 4)
    expect(await waiting).toEqual(['b'])
  })

  it('can be exchanged', async () => {
    await send(cluster, 'orders', ['order'], 0)
    await send(cluster, 'bills', ['bill'], 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    expect(await takeValues(consumer, 1)).toEqual(['order'])
    consumer.subscribe('bills')
    expect(await takeValues(consumer, 1)).toEqual(['bill'])
  })

  it('that do not exist and may not be created are told, and waited for', async () => {
    await using strict = await openCluster({ configs: { 'auto.create.topics.enable': false } })
    await using consumer = textConsumer(strict, { topics: ['orders'], retryBackoffMs: 1 })
    const error = next(consumer, 'error')
    const waiting = takeValues(consumer, 1)
    expect(await error).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'orders' })
    await using admin = strict.admin()
    await admin.createTopics([{ name: 'orders', partitions: 1 }])
    await send(strict, 'orders', ['a'], 0)
    expect(await waiting).toEqual(['a'])
  })
})
