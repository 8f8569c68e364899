import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeOf } from '../../../src/broker/local-broker.js'
import type { Cluster } from '../../../src/cluster.js'
import { int32, json, string } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'
import { next, numbered, openCluster, send, settle, take, takeValues, textConsumer } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

describe('a loop over records', () => {
  it('hands out every record of a partition in order, with all of its fields', async () => {
    await using producer = cluster.producer()
    const headers = [
      { key: 'trace', value: 'a' },
      { key: 'trace', value: null }
    ]
    await producer.send('orders', { key: 'k', value: 'v', partition: 1, timestamp: 1234, headers })
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    const [record] = await take(consumer, 1)
    expect(record).toMatchObject({ topic: 'orders', partition: 1, offset: 0, timestamp: 1234, key: 'k', value: 'v', leaderEpoch: 0 })
    expect(record.headers).toEqual([
      { key: 'trace', value: new TextEncoder().encode('a') },
      { key: 'trace', value: null }
    ])
  })

  it('reads null keys and tombstones as null, whatever the serdes', async () => {
    await using producer = cluster.producer()
    await producer.send('orders', { value: null, partition: 0 })
    await using consumer = cluster.consumer({ topics: [topic('orders', { key: string, value: int32 })], autoOffsetReset: 'earliest' })
    for await (const { key, value } of consumer) {
      expect([key, value]).toEqual([null, null])
      break
    }
  })

  it('waits for records that are sent later', async () => {
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    await consumer.start()
    const waiting = takeValues(consumer, 2)
    await settle()
    await send(cluster, 'orders', ['a'], 0)
    await send(cluster, 'orders', ['b'], 0)
    expect(await waiting).toEqual(['a', 'b'])
  })

  it('goes on after a break where it stopped, when nothing is committed', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    expect(await takeValues(consumer, 4)).toEqual(numbered('v', 4))
    expect(await takeValues(consumer, 6)).toEqual(numbered('v', 6, 4))
  })

  it('hands out copies: keeping bytes is safe', async () => {
    await using producer = cluster.producer()
    await producer.sendBatch('orders', [
      { key: 'k', value: 'first', partition: 0 },
      { key: 'k', value: 'other', partition: 0 }
    ])
    await using consumer = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' })
    const values: Uint8Array[] = []
    for await (const { value } of consumer) {
      value.fill(0, 1)
      if (values.push(value) === 2) break
    }
    expect(values.map(value => String.fromCharCode(value[0]))).toEqual(['f', 'o'])
    await using again = textConsumer(cluster, { topics: ['orders'] })
    expect(await takeValues(again, 2)).toEqual(['first', 'other'])
  })

  it.each(['none', 'gzip', 'lz4'] as const)('reads batches packed with %s, from the middle too', async compression => {
    await using producer = cluster.producer({ compression })
    await producer.sendBatch(
      'orders',
      numbered('value ', 500).map(value => ({ key: null, value, partition: 0 }))
    )
    await using consumer = textConsumer(cluster)
    consumer.assign([{ topic: 'orders', partition: 0 }])
    consumer.seek({ topic: 'orders', partition: 0, offset: 321 })
    const records = await take(consumer, 179)
    expect(records[0]).toMatchObject({ offset: 321, value: 'value 321' })
    expect(records.at(-1)).toMatchObject({ offset: 499, value: 'value 499' })
  })

  it('reads more than one fetch can hold, without a gap', async () => {
    await send(cluster, 'orders', numbered('a fairly long value to fill fetches with: ', 5000), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'], maxPartitionFetchBytes: 3000, fetchMaxBytes: 5000 })
    const records = await take(consumer, 5000)
    expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: 5000 }, (_, offset) => offset))
  })

  it('comes to every partition, although one has far more than the others', async () => {
    for (let batch = 0; batch < 30; batch++) await send(cluster, 'orders', numbered('much', 100), 0)
    await send(cluster, 'orders', ['little'], 1)
    await using consumer = textConsumer(cluster, { topics: ['orders'], maxPartitionFetchBytes: 1000 })
    let seen = 0
    for await (const { value } of consumer) {
      seen++
      if (value === 'little') break
    }
    expect(seen).toBeLessThan(1500)
  })

  it('does not starve timers while records keep coming', async () => {
    await send(cluster, 'orders', numbered('v', 2000), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'], maxPartitionFetchBytes: 200 })
    let hasFired = false
    const timer = setTimeout(() => {
      hasFired = true
    }, 1)
    for (let round = 0; round < 200 && !hasFired; round++) {
      await take(consumer, 2000)
      await consumer.seekToBeginning()
    }
    clearTimeout(timer)
    expect(hasFired).toBe(true)
  })

  it('is typed by its topics', async () => {
    const visits = topic('visits', { key: string, value: json<{ url: string }>(), partitions: 2 })
    await using producer = cluster.producer()
    await producer.send(visits, { key: 'u', value: { url: '/' } })
    await using consumer = cluster.consumer({ topics: [visits], autoOffsetReset: 'earliest' })
    for await (const record of consumer) {
      const url: string = record.value.url
      expect([record.key, url]).toEqual(['u', '/'])
      break
    }
  })

  it('creates a typed topic as it is described, when it does not exist', async () => {
    await using consumer = cluster.consumer({ topics: [topic('visits', { partitions: 5 })] })
    await consumer.start()
    expect(consumer.assignment()).toHaveLength(5)
  })
})

describe('ending a loop', () => {
  it('happens by itself when the consumer is closed', async () => {
    const consumer = textConsumer(cluster, { topics: ['orders'] })
    const loop = takeValues(consumer, 1)
    await settle()
    await consumer.close()
    expect(await loop).toEqual([])
  })

  it('can be done by a signal, whose reason it rejects with', async () => {
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    const controller = new AbortController()
    const waiting = consumer.records({ signal: controller.signal }).next()
    await settle()
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await send(cluster, 'orders', ['a'], 0)
    expect(await takeValues(consumer, 1)).toEqual(['a'])
  })

  it('leaves nothing behind: no timer and no request is open after close', async () => {
    const consumer = textConsumer(cluster, { groupId: 'g', topics: ['orders'] })
    const closed = next(consumer, 'closed')
    const loop = takeValues(consumer, 1)
    await settle()
    await consumer.close()
    await closed
    await loop
    expect(nodeOf(cluster.node!).delayedFetches.size).toBe(0)
  })

  it('can be done by closing the consumer from within', async () => {
    await send(cluster, 'orders', ['a', 'b'], 0)
    const consumer = textConsumer(cluster, { groupId: 'g', topics: ['orders'] })
    let seen = 0
    for await (const _ of consumer) {
      seen++
      await consumer.close()
    }
    expect(seen).toBe(1)
  })

  it('closes twice without harm', async () => {
    const consumer = textConsumer(cluster, { topics: ['orders'] })
    expect(consumer.close()).toBe(consumer.close())
    await consumer.close()
  })
})

describe('loops over batches', () => {
  it('hand out records of one partition together, up to maxPollRecords', async () => {
    await send(cluster, 'orders', numbered('v', 1000), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'], maxPollRecords: 300 })
    const sizes: number[] = []
    const values: string[] = []
    for await (const batch of consumer.batches()) {
      expect(batch.baseOffset).toBe(values.length)
      sizes.push(batch.recordCount)
      for (const record of batch) values.push(record.value)
      expect(batch.endOffset).toBe(values.length)
      if (values.length === 1000) break
    }
    expect(values).toEqual(numbered('v', 1000))
    expect(Math.max(...sizes)).toBe(300)
  })

  it('can be walked without objects, twice, or not at all', async () => {
    await send(cluster, 'orders', numbered('v', 100), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'], maxPollRecords: 30 })
    const values: string[] = []
    let turn = 0
    for await (const batch of consumer.batches()) {
      if (turn++ === 1) continue
      for (const cursor = batch.cursor(); cursor.next(); ) values.push(`${cursor.offset}:${cursor.key()}=${cursor.value()}`)
      expect([...batch].map(({ offset, key, value }) => `${offset}:${key}=${value}`)).toEqual(values.slice(-batch.recordCount))
      if (batch.endOffset === 100) break
    }
    const expected = numbered('v', 100).map((value, offset) => `${offset}:${value}=${value}`)
    expect(values).toEqual([...expected.slice(0, 30), ...expected.slice(60)])
  })

  it('refuse a batch that the loop has left', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'], maxPollRecords: 5 })
    const batches = consumer.batches()
    const first = (await batches.next()).value
    await batches.next()
    expect(() => [...(first ?? [])]).toThrow(TypeError)
    await batches.return?.()
  })
})
