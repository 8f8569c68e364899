import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cooperativeStickyAssignor } from '../../../src/assignor/cooperative-sticky.js'
import type { Cluster } from '../../../src/cluster.js'
import type { ConsumerOptions } from '../../../src/consumer/consumer-options.js'
import type { TopicSelector } from '../../../src/consumer/source/subscription.js'
import { string } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { connect } from '../../../src/wire/connect.js'
import { listen } from '../../../src/wire/listener.js'
import { keepReading, numbered, openCluster, send, settle, textConsumer, until } from '../helpers.js'

type Options = ConsumerOptions<TopicSelector, string, string>

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const latest = { autoOffsetReset: 'latest', allowAutoTopicCreation: false } as const
const kinds: [string, Options][] = [
  ['of a group', { ...latest, groupId: 'g', topics: ['orders'] }],
  ['of a group with cooperative rebalances', { ...latest, groupId: 'g', topics: ['orders'], assignors: [cooperativeStickyAssignor] }],
  ['of a group that commits by hand', { ...latest, groupId: 'g', topics: ['orders'], autoCommit: false }],
  ['without a group', { ...latest, topics: ['orders'] }],
  ['with a pattern', { ...latest, topics: [/^ord/] }]
]

describe('a consumer that starts at the latest', () => {
  it.each(kinds)('reads what is sent after it was made, whenever it is read: %s', async (_, options) => {
    await send(cluster, 'orders', numbered('before', 5), 0)
    await using consumer = textConsumer(cluster, options)
    await send(cluster, 'orders', numbered('after', 5), 0)
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await until(() => seen.length === 5)
    expect(seen).toEqual(numbered('after', 5))
    await consumer.close()
    await loop
  })

  it('reads what is sent after run was called', async () => {
    await using consumer = textConsumer(cluster, { ...latest, groupId: 'g', topics: ['orders'], allowAutoTopicCreation: true })
    const seen: string[] = []
    const running = consumer.run({ eachRecord: ({ value }) => void seen.push(value) })
    await send(cluster, 'orders', ['first'])
    await until(() => seen.length === 1)
    await consumer.close()
    await running
  })

  it('reads what is sent after it subscribed, or was given partitions', async () => {
    await send(cluster, 'orders', ['before'], 0)
    await using consumer = textConsumer(cluster, latest)
    await using giving = textConsumer(cluster, latest)
    await send(cluster, 'orders', ['between'], 0)
    consumer.subscribe('orders')
    giving.assign([{ topic: 'orders', partition: 0 }])
    await send(cluster, 'orders', ['after'], 0)
    for (const each of [consumer, giving]) {
      for await (const { value } of each) {
        expect(value).toBe('after')
        break
      }
    }
  })

  it('reads a typed topic that it creates from its first record on', async () => {
    const visits = topic('visits', { value: string, partitions: 2 })
    await using consumer = textConsumer(cluster, { groupId: 'g', topics: [visits], autoOffsetReset: 'latest' })
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await until(() => cluster.topics.has('visits'))
    await send(cluster, 'visits', ['first'], 1)
    await until(() => seen.length === 1)
    await consumer.close()
    await loop
  })

  it('commits where its group starts, so that another member goes on there', async () => {
    await send(cluster, 'orders', numbered('before', 5), 0)
    const consumer = textConsumer(cluster, { ...latest, groupId: 'g', topics: ['orders'] })
    await consumer.start()
    await settle()
    await using other = textConsumer(cluster, { groupId: 'g' })
    expect(await other.committed([{ topic: 'orders', partition: 0 }])).toMatchObject([{ offset: 5 }])
  })

  it.each(kinds)('reads partitions and topics that are added from their first record on: %s', async (_, options) => {
    await send(cluster, 'orders', ['before'], 0)
    await using consumer = textConsumer(cluster, options)
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await consumer.start()
    await cluster.admin().createPartitions('orders', 5)
    await send(cluster, 'orders', ['first'], 3)
    await send(cluster, 'orders', ['second'], 4)
    await until(() => seen.length === 2)
    expect(new Set(seen)).toEqual(new Set(['first', 'second']))
    await consumer.close()
    await loop
  })

  it('reads partitions that are added from their first record on, whichever member gets them', async () => {
    await send(cluster, 'orders', ['before'], 0)
    const seen: string[] = []
    const consumers = [1, 2, 3].map(() => textConsumer(cluster, { ...latest, groupId: 'g', topics: ['orders'] }))
    const loops = consumers.map(consumer => keepReading(consumer, ({ value }) => void seen.push(value)))
    await until(() => consumers.every(consumer => consumer.assignment().length === 1))
    await cluster.admin().createPartitions('orders', 9)
    for (let partition = 3; partition < 9; partition++) await send(cluster, 'orders', [`in ${partition}`], partition)
    await until(() => seen.length === 6)
    expect(new Set(seen).size).toBe(6)
    await Promise.all(consumers.map(consumer => consumer.close()))
    await Promise.all(loops)
  })

  it.each(kinds)('reads partitions that are added to a cluster elsewhere from their first record on: %s', async (_, options) => {
    await send(cluster, 'orders', ['before'], 0)
    await using listener = await listen(cluster)
    await using remote = await connect({ brokers: [listener.address] })
    await using consumer = textConsumer(remote, { ...options, metadataMaxAgeMs: 50, ...(options.groupId && { heartbeatIntervalMs: 20 }) })
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await consumer.start()
    await cluster.admin().createPartitions('orders', 5)
    await send(cluster, 'orders', ['first'], 3)
    await until(() => seen.length === 1)
    expect(seen).toEqual(['first'])
    await consumer.close()
    await loop
  })

  it('goes on where it was when a partition comes back without a committed offset', async () => {
    await send(cluster, 'orders', ['before'], 0)
    const options = { ...latest, groupId: 'g', topics: ['orders'], autoCommit: false }
    await using consumer = textConsumer(cluster, options)
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await consumer.start()
    await send(cluster, 'orders', ['first'], 0)
    await until(() => seen.length === 1)
    const other = textConsumer(cluster, options)
    await other.start()
    await send(cluster, 'orders', ['second'], 0)
    await other.close()
    await until(() => seen.length === 2)
    expect(seen).toEqual(['first', 'second'])
    await consumer.close()
    await loop
  })
})

describe('a consumer that starts by duration', () => {
  it('reads what is no older, and partitions that are added from their first record on', async () => {
    const clock = new VirtualClock()
    await using timed = await openCluster({ clock })
    await send(timed, 'orders', ['old'], 0)
    await clock.advance(3_600_000)
    await send(timed, 'orders', ['young'], 0)
    await clock.advance(60_000)
    await using consumer = textConsumer(timed, { autoOffsetReset: 'by_duration:PT30M', topics: ['orders'] })
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await until(() => seen.length === 1)
    await timed.admin().createPartitions('orders', 4)
    await send(timed, 'orders', ['added'], 3)
    await until(() => seen.length === 2)
    expect(seen).toEqual(['young', 'added'])
    await consumer.close()
    await loop
  })

  it.each(['by_duration:', 'by_duration:P', 'by_duration:PT', 'by_duration:-PT1H', 'by_duration:1h', 'first'])('refuses %s', value => {
    expect(() => textConsumer(cluster, { autoOffsetReset: value as 'latest' })).toThrow(/Expected `autoOffsetReset` to be/)
  })

  it.each(['by_duration:P1D', 'by_duration:PT1H30M', 'by_duration:P2DT3H4M5.678S', 'by_duration:PT0S'] as const)(
    'takes %s',
    async value => {
      await textConsumer(cluster, { autoOffsetReset: value }).close()
    }
  )
})
