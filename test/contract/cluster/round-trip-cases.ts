import { expect, it } from 'vitest'
import { float64, int32, int64, json, type Serde, string, topic, uuid } from '../../../src/index.js'
import { eventually } from '../broker/eventually.js'
import { codecs } from '../broker/produce-cases.js'
import { fresh } from '../broker/world.js'
import type { ClusterStage } from './cluster-contract.js'
import { numbered, send, take, takeValues, textConsumer } from './reading.js'

interface PageView {
  readonly url: string
  readonly seconds: number
}

export function roundTripCases(stage: ClusterStage): void {
  it.each(codecs)('go through typed topics in %s with keys, headers and timestamps, in the order of each key', async codec => {
    const { cluster } = stage
    const views = topic(fresh('page-views'), { key: string, value: json<PageView>(), partitions: 3 })
    await using producer = cluster.producer({ compression: codec })
    const start = Date.now() - 1000
    const sent = Array.from({ length: 200 }, (_, i) => ({
      key: `u-${i % 7}`,
      value: { url: `/p/${i}`.padEnd(i, '/'), seconds: i },
      timestamp: start + i,
      headers: { trace: `t${i}`, tag: ['x', null] }
    }))
    const first = await producer.send(views, sent[0])
    expect(first).toMatchObject({ topic: views.name, offset: 0, timestamp: start })
    expect(await producer.sendBatch(views, sent.slice(1))).toMatchObject({ topic: views.name, count: 199 })

    await using consumer = cluster.consumer({ groupId: fresh('group'), topics: [views], autoOffsetReset: 'earliest' })
    const records = await take(consumer, 200)
    expect(records.find(({ key }) => key === 'u-0')).toMatchObject({ partition: first.partition, offset: 0 })
    expect(new Map(records.map(({ key, partition }) => [`${key} ${partition}`, 0])).size).toBe(7)
    for (let user = 0; user < 7; user++) {
      const mine = records.filter(({ key }) => key === `u-${user}`)
      expect(mine.map(({ value, timestamp }) => ({ value, timestamp }))).toEqual(
        sent.filter(({ key }) => key === `u-${user}`).map(({ value, timestamp }) => ({ value, timestamp }))
      )
    }
    const headers = records.find(({ value }) => value.seconds === 150)?.headers.map(({ key, value }) => [key, value && text(value)])
    expect(headers).toEqual([
      ['trace', 't150'],
      ['tag', 'x'],
      ['tag', null]
    ])
  })

  it('of any type come back as they were', async () => {
    const { cluster } = stage
    const samples: readonly [Serde<unknown>, readonly unknown[]][] = [
      [string as Serde<unknown>, ['', 'é', '𝄞 text']],
      [int32 as Serde<unknown>, [0, -1, 2 ** 31 - 1]],
      [int64 as Serde<unknown>, [0, -1, Number.MAX_SAFE_INTEGER]],
      [float64 as Serde<unknown>, [0, -1.5, Number.MAX_VALUE]],
      [uuid as Serde<unknown>, ['123e4567-e89b-12d3-a456-426614174000']],
      [json() as Serde<unknown>, [{ a: [1, null, 'x'] }, 'text', 0]]
    ]
    for (const [serde, values] of samples) {
      const typed = topic(fresh('typed'), { key: serde, value: serde, partitions: 1 })
      await using producer = cluster.producer()
      await producer.sendBatch(
        typed,
        values.map(value => ({ key: value, value }))
      )
      await using consumer = cluster.consumer({ topics: [typed], autoOffsetReset: 'earliest' })
      const records = await take(consumer, values.length)
      expect(records.map(({ key, value }) => [key, value])).toEqual(values.map(value => [value, value]))
    }
  })

  it('under a plain name are bytes; keys and values may be missing', async () => {
    const { cluster } = stage
    const name = fresh('plain')
    await using producer = cluster.producer()
    await producer.send(name, { value: new Uint8Array([0, 255]), partition: 0 })
    await producer.send(name, { key: 'k', value: null, partition: 0 })
    await producer.send(name, { key: '', value: '', partition: 0 })
    await using consumer = cluster.consumer({ topics: [name], autoOffsetReset: 'earliest' })
    const records = await take(consumer, 3)
    expect(records.map(({ key, value }) => [key && [...key], value && [...value]])).toEqual([
      [null, [0, 255]],
      [[107], null],
      [[], []]
    ])
  })

  it.each(['all', 1, 0] as const)('are delivered with acks %s', async acks => {
    const { cluster } = stage
    const name = fresh('acked')
    await using producer = cluster.producer({ acks })
    await producer.sendBatch(
      name,
      numbered('v', 50).map(value => ({ value, partition: 0 }))
    )
    await using consumer = textConsumer(cluster, { topics: [name] })
    expect(await takeValues(consumer, 50)).toEqual(numbered('v', 50))
  })

  it('come as they are sent to who waits for them', async () => {
    const { cluster } = stage
    const name = fresh('awaited')
    await using consumer = textConsumer(cluster, { topics: [name] })
    await consumer.start()
    const waiting = takeValues(consumer, 3)
    for (const value of ['a', 'b', 'c']) await send(cluster, name, [value], 0)
    expect(await waiting).toEqual(['a', 'b', 'c'])
  })

  it('come in batches to who asks for batches', async () => {
    const { cluster } = stage
    const name = fresh('batches')
    await send(cluster, name, numbered('v', 1200), 0)
    await using consumer = textConsumer(cluster, { groupId: fresh('group'), topics: [name], maxPollRecords: 100 })
    const offsets: number[] = []
    for await (const batch of consumer.batches()) {
      expect(batch.recordCount).toBeLessThanOrEqual(100)
      for (const record of batch) offsets.push(record.offset)
      if (offsets.length === 1200) break
    }
    expect(offsets).toEqual(Array.from({ length: 1200 }, (_, i) => i))
  })

  it('larger than what is fetched at once come all the same', async () => {
    const { cluster } = stage
    const name = fresh('large')
    const values = [100_000, 10, 300_000, 20].map((length, i) => String(i).repeat(length))
    for (const value of values) await send(cluster, name, [value], 0)
    await using consumer = textConsumer(cluster, { topics: [name], maxPartitionFetchBytes: 1000, fetchMaxBytes: 2000 })
    expect(await takeValues(consumer, 4)).toEqual(values)
  })

  it('carry the time of the log where the topic says so', async () => {
    const { cluster } = stage
    const stamped = topic(fresh('stamped'), { value: string, partitions: 1, configs: { 'message.timestamp.type': 'LogAppendTime' } })
    await using producer = cluster.producer()
    const before = Date.now()
    const { timestamp } = await producer.send(stamped, { value: 'v', timestamp: 5 })
    expect(timestamp).toBeGreaterThanOrEqual(before)
    await using consumer = cluster.consumer({ topics: [stamped], autoOffsetReset: 'earliest' })
    expect(await take(consumer, 1)).toMatchObject([{ timestamp }])
  })

  it('bring their topic into being with the partitions and configs that it describes', async () => {
    const { cluster } = stage
    const described = topic(fresh('described'), { value: string, partitions: 5, configs: { 'retention.ms': 123_456 } })
    await using producer = cluster.producer()
    await producer.send(described, { value: 'v' })
    const subscribed = topic(fresh('subscribed'), { value: string, partitions: 4 })
    await using consumer = cluster.consumer({ topics: [subscribed] })
    await consumer.start()
    await using admin = cluster.admin()
    await eventually(async () => {
      const topics = await admin.describeTopics([described.name, subscribed.name])
      expect(topics.map(({ partitions }) => partitions.length)).toEqual([5, 4])
    })
    const configs = await admin.describeConfigs({ topic: described.name })
    expect(configs.find(({ name }) => name === 'retention.ms')).toMatchObject({ value: '123456', source: 'topic' })
  })

  it('go to the partitions that their keys have in Java', async () => {
    const { cluster } = stage
    const keyed = topic(fresh('keyed'), { key: string, value: string, partitions: 10 })
    await using producer = cluster.producer()
    const partitions: number[] = []
    for (const key of ['21', 'foobar', 'a-little-bit-long-string', 'abc', '']) {
      partitions.push((await producer.send(keyed, { key, value: 'v' })).partition)
    }
    const hashes = [-973932308, -790332482, -985981536, 479470107, 0x106e08d9]
    expect(partitions).toEqual(hashes.map(hash => (hash & 0x7fffffff) % 10))
  })
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
