import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cooperativeStickyAssignor } from '../../src/assignor/cooperative-sticky.js'
import type { Cluster } from '../../src/cluster.js'
import type { ClusterClient } from '../../src/cluster-client.js'
import type { Consumer } from '../../src/consumer/consumer.js'
import type { OffsetReset, RecordsMissed } from '../../src/consumer/consumer-events.js'
import type { ConsumerOptions } from '../../src/consumer/consumer-options.js'
import type { TopicSelector } from '../../src/consumer/source/subscription.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { connect } from '../../src/wire/connect.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import { keepReading, next, numbered, openCluster, send, settle, textConsumer, until } from './helpers.js'

type TextConsumer = Consumer<TopicSelector, string, string>
type Options = ConsumerOptions<TopicSelector, string, string>

let cluster: Cluster
let listener: Listener
let remote: ClusterClient
beforeEach(async () => {
  cluster = await openCluster({ configs: { 'num.partitions': 1 } })
  listener = await listen(cluster)
  remote = await connect({ brokers: [listener.address] })
})
afterEach(async () => {
  await remote.close()
  await listener.close()
  await cluster.close()
})

const first = { topic: 'orders', partition: 0 }

const kinds: [string, Options][] = [
  ['of a group', { groupId: 'g', topics: ['orders'] }],
  ['of a group with cooperative rebalances', { groupId: 'g', topics: ['orders'], assignors: [cooperativeStickyAssignor] }],
  ['of a group, by a pattern', { groupId: 'g', topics: [/^ord/] }],
  ['without a group', { topics: ['orders'] }],
  ['with partitions of its own choice', {}],
  ['with partitions of its own choice whose offsets it commits', { groupId: 'g' }]
]

function begin(at: ClusterClient, options: Options): TextConsumer {
  const consumer = textConsumer(at, { metadataMaxAgeMs: 50, retryBackoffMs: 1, fetchMaxWaitMs: 20, heartbeatIntervalMs: 20, ...options })
  consumer.on('error', () => {})
  if (options.topics === undefined) consumer.assign([first])
  return consumer
}

async function recreate(partitions = 1): Promise<void> {
  await using admin = cluster.admin()
  await admin.deleteTopics(['orders'])
  await admin.createTopic({ name: 'orders', partitions })
}

describe.each(['in process', 'over the wire'])('%s, a topic that is deleted and created anew', where => {
  const at = () => (where === 'in process' ? cluster : remote)

  it.each(kinds)('is read from its first record on by a consumer %s', async (_, options) => {
    await send(cluster, 'orders', numbered('old', 10))
    await using consumer = begin(at(), options)
    const resets: OffsetReset[] = []
    consumer.on('offsetReset', reset => resets.push(reset))
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await until(() => seen.length === 10)
    await settle()
    resets.length = 0
    await recreate()
    await send(cluster, 'orders', numbered('new', 30))
    await until(() => seen.length >= 40)
    expect(seen).toEqual([...numbered('old', 10), ...numbered('new', 30)])
    expect(resets[0]).toEqual({ ...first, offset: 0, reason: expect.stringMatching(/topicRecreated|noCommittedOffset/) })
    if (options.groupId !== undefined) {
      await consumer.close()
      await using again = textConsumer(cluster, { groupId: 'g' })
      expect(await again.committed([first])).toMatchObject([{ offset: 30 }])
    }
    await consumer.close()
    await loop
  })

  it.each(['key', 'partition'] as const)('is handled from its first record on by run, by %s', async orderBy => {
    await send(cluster, 'orders', numbered('old', 10))
    await using consumer = begin(at(), { groupId: 'g', topics: ['orders'] })
    const seen: string[] = []
    const running = consumer.run({ orderBy, concurrency: 3, eachRecord: ({ value }) => void seen.push(value) })
    await until(() => seen.length === 10)
    await recreate()
    await send(cluster, 'orders', numbered('new', 30))
    await until(() => seen.length >= 40)
    expect([...seen.slice(10)].sort()).toEqual(numbered('new', 30).sort())
    await consumer.close()
    await running
  })

  it('is read from its first record on by a group that starts at the latest', async () => {
    await send(cluster, 'orders', numbered('old', 10))
    await using consumer = begin(at(), { groupId: 'g', topics: ['orders'], autoOffsetReset: 'latest' })
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await consumer.start()
    await send(cluster, 'orders', ['last of the old'])
    await until(() => seen.length === 1)
    await recreate(2)
    await send(cluster, 'orders', numbered('new', 30), 0)
    await send(cluster, 'orders', numbered('new', 30, 30), 1)
    await until(() => seen.length >= 61)
    expect(new Set(seen)).toEqual(new Set(['last of the old', ...numbered('new', 60)]))
    await consumer.close()
    await loop
  })

  it('is told as missed as far as the old one was not read', async () => {
    await send(cluster, 'orders', numbered('old', 10))
    await using consumer = begin(at(), {})
    const missed: RecordsMissed[] = []
    consumer.on('recordsMissed', event => missed.push(event))
    const iterator = consumer.records()
    for (let i = 0; i < 4; i++) await iterator.next()
    consumer.pause()
    await recreate()
    await send(cluster, 'orders', ['new'])
    await until(() => missed.length > 0)
    consumer.resume()
    const { value } = await iterator.next()
    expect(value).toMatchObject({ value: 'new', offset: 0 })
    expect(missed).toEqual([{ ...first, from: 4, to: 0, count: 6, reason: 'topicDeleted' }])
  })

  it('is an error where autoOffsetReset is none', async () => {
    await send(cluster, 'orders', numbered('old', 10))
    await using consumer = begin(at(), { autoOffsetReset: 'none' })
    consumer.seek({ ...first, offset: 10 })
    const reading = keepReading(consumer, () => {})
    reading.catch(() => {})
    await consumer.start()
    await settle()
    await recreate()
    await expect(reading).rejects.toMatchObject({ code: 'NO_OFFSET_FOR_PARTITION', topic: 'orders' })
  })
})

describe('a late commit', () => {
  it('of the old topic does not count for the new one', async () => {
    let broker: InterceptedBroker | undefined
    await using slow = await openCluster({
      configs: { 'num.partitions': 1 },
      intercept: (inner, clientId) => {
        if (clientId !== 'slow') return inner
        broker = new InterceptedBroker(inner)
        return broker
      }
    })
    await send(slow, 'orders', numbered('old', 10))
    await using consumer = textConsumer(slow, { clientId: 'slow', groupId: 'g', autoCommit: false })
    consumer.assign([first])
    await consumer.start()
    consumer.seek({ ...first, offset: 7 })
    await settle()
    const hold = (broker as InterceptedBroker).on(OffsetCommit).hold()
    const committed = consumer.commit()
    committed.catch(() => {})
    await hold.held()
    await using admin = slow.admin()
    await admin.deleteTopics(['orders'])
    await admin.createTopic({ name: 'orders', partitions: 1 })
    hold.release()
    await expect(committed).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_ID', topic: 'orders' })
    await using other = textConsumer(slow, { groupId: 'g' })
    expect(await other.committed([first])).toEqual([])
  })
})

describe.each(['in process', 'over the wire'])('%s, a topic that is deleted', where => {
  const at = () => (where === 'in process' ? cluster : remote)

  it.each(kinds)('is not created again by a consumer %s, which reads it once somebody else creates it', async (_, options) => {
    await send(cluster, 'orders', numbered('old', 3))
    await using consumer = begin(at(), options)
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await until(() => seen.length === 3)
    await using admin = cluster.admin()
    await admin.deleteTopics(['orders'])
    // What is asked for meanwhile creates nothing.
    for (let turn = 0; turn < 20; turn++) {
      await settle()
      expect(cluster.topics.has('orders')).toBe(false)
    }
    await admin.createTopic({ name: 'orders', partitions: 2 })
    await send(cluster, 'orders', ['new'], 0)
    await until(() => seen.length === 4)
    expect(cluster.topic('orders').partitions).toHaveLength(2)
    expect(seen.at(-1)).toBe('new')
    await consumer.close()
    await loop
  })

  it('is told as missed as far as it was not read', async () => {
    await send(cluster, 'orders', numbered('old', 10))
    await using consumer = begin(at(), { groupId: 'g', topics: ['orders'] })
    const missed = next(consumer, 'recordsMissed')
    const iterator = consumer.records()
    for (let i = 0; i < 4; i++) await iterator.next()
    consumer.pause()
    await cluster.admin().deleteTopics(['orders'])
    void iterator.next()
    expect(await missed).toEqual({ ...first, from: 4, to: -1, count: 6, reason: 'topicDeleted' })
  })
})

describe('a topic that does not exist', () => {
  it('is created by a consumer that names it, and not by one that was made while it existed', async () => {
    await using naming = textConsumer(cluster, { topics: ['new'] })
    await naming.start()
    expect(cluster.topics.has('new')).toBe(true)
    await using consumer = textConsumer(cluster, { topics: ['new'] })
    await naming.close()
    await cluster.admin().deleteTopics(['new'])
    const error = next(consumer, 'error')
    void consumer.start().catch(() => {})
    expect(await error).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'new' })
    expect(cluster.topics.has('new')).toBe(false)
  })
})

describe('in process, a topic that is deleted', () => {
  it.each([
    ['of a group', { groupId: 'g', topics: ['orders'] }],
    ['without a group', { topics: ['orders'] }]
  ] satisfies [string, Options][])(
    'and created anew at once is told as missed to its last record, also where nobody fetched it, by a consumer %s',
    async (_, options) => {
      await send(cluster, 'orders', numbered('old', 4))
      await using consumer = begin(cluster, options)
      const missed: RecordsMissed[] = []
      consumer.on('recordsMissed', event => missed.push(event))
      const iterator = consumer.records()
      for (let i = 0; i < 4; i++) await iterator.next()
      consumer.pause()
      await send(cluster, 'orders', numbered('unseen', 6))
      await recreate()
      await send(cluster, 'orders', ['new'])
      const reading = iterator.next()
      await until(() => missed.length > 0)
      consumer.resume()
      expect(await reading).toMatchObject({ value: { value: 'new', offset: 0 } })
      expect(missed).toMatchObject([{ ...first, from: 4, count: 6, reason: 'topicDeleted' }])
    }
  )

  it('is told as missed by run, with what it had taken and not handed out, and without what was handled', async () => {
    await using producer = cluster.producer()
    await producer.sendBatch(
      'orders',
      ['x', 'x', 'y', 'z', 'x'].map((key, index) => ({ key, value: `v${index}`, partition: 0 }))
    )
    await using consumer = begin(cluster, { topics: ['orders'] })
    const missed = next(consumer, 'recordsMissed')
    const handled: string[] = []
    let finish = () => {}
    const running = consumer.run({
      orderBy: 'key',
      concurrency: 2,
      eachRecord({ value }) {
        handled.push(value)
        if (value === 'v0')
          return new Promise<void>(resolve => {
            finish = resolve
          })
      }
    })
    await until(() => handled.length === 3)
    await cluster.admin().deleteTopics(['orders'])
    expect(await missed).toEqual({ ...first, from: 1, to: -1, count: 2, reason: 'topicDeleted' })
    finish()
    await consumer.close()
    await running
    expect(handled).toEqual(['v0', 'v2', 'v3'])
  })
})
