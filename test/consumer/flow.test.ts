import { afterEach, describe, expect, it } from 'vitest'
import { backlogOf } from '../../src/broker/partition.js'
import { Cluster } from '../../src/cluster.js'
import type { Consumer } from '../../src/consumer/consumer.js'
import type { ConsumerOptions } from '../../src/consumer/consumer-options.js'
import type { TopicSelector } from '../../src/consumer/source/subscription.js'
import type { Brokers } from '../../src/protocol/broker.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { untilSettled } from '../until-settled.js'
import { wrappedBrokers } from '../wrapped-brokers.js'
import { numbered, settle, textConsumer, until } from './helpers.js'

type TextConsumer = Consumer<TopicSelector, string, string>

let cluster: Cluster

afterEach(() => cluster.close())

/** A topic that holds a tenth of what the tests send. */
const small = { 'segment.bytes': 4_000, 'retention.bytes': 20_000 }
const count = 2000
const values = numbered('a value of some hundred bytes '.repeat(3), count)

async function open(partitions = 1): Promise<void> {
  cluster = await Cluster.open()
  await cluster.admin().createTopic({ name: 'bus', partitions, configs: small })
}

/** Sends all values in windows, as fast as they are taken. */
async function sendAll(): Promise<void> {
  const producer = cluster.producer({ batchSize: 1000 })
  for (let i = 0; i < count; i += 100)
    await producer.sendBatch(
      'bus',
      values.slice(i, i + 100).map((value, n) => ({ key: `${n}`, value }))
    )
}

interface Kind {
  readonly name: string
  readonly options: ConsumerOptions<TopicSelector, string, string>
  /** Reads until it has seen all. */
  read(consumer: TextConsumer, see: (value: string) => void, isDone: () => boolean): Promise<void>
}

const inGroup = { groupId: 'g', topics: ['bus'] }

const kinds: readonly Kind[] = [
  {
    name: 'a loop over records in a group',
    options: inGroup,
    async read(consumer, see, isDone) {
      for await (const { value } of consumer) {
        see(value)
        if (isDone()) break
      }
    }
  },
  {
    name: 'a loop over batches in a group',
    options: inGroup,
    async read(consumer, see, isDone) {
      for await (const batch of consumer.batches()) {
        for (const { value } of batch) see(value)
        if (isDone()) break
      }
    }
  },
  {
    name: 'a loop over cursors without a group',
    options: { topics: ['bus'] },
    async read(consumer, see, isDone) {
      for await (const batch of consumer.batches()) {
        const cursor = batch.cursor()
        while (cursor.next()) see(cursor.value() as string)
        if (isDone()) break
      }
    }
  },
  {
    name: '`run` with a handler that waits',
    options: inGroup,
    async read(consumer, see, isDone) {
      await consumer.run({
        async eachRecord({ value }) {
          if (value.endsWith('7')) await settle()
          see(value)
          if (isDone()) void consumer.close()
        }
      })
    }
  },
  {
    name: '`run` by key',
    options: inGroup,
    async read(consumer, see, isDone) {
      await consumer.run({
        concurrency: 4,
        orderBy: 'key',
        async eachRecord({ value }) {
          await null
          see(value)
          if (isDone()) void consumer.close()
        }
      })
    }
  },
  {
    name: 'a loop without a group',
    options: { topics: ['bus'] },
    async read(consumer, see, isDone) {
      for await (const { value } of consumer) {
        see(value)
        if (isDone()) break
      }
    }
  },
  {
    name: 'a loop that commits by hand',
    options: { ...inGroup, autoCommit: false },
    async read(consumer, see, isDone) {
      let seen = 0
      for await (const { value } of consumer) {
        see(value)
        if (++seen % 20 === 0) await consumer.commit()
        if (isDone()) break
      }
    }
  },
  {
    name: 'a loop in a group that never commits',
    options: { ...inGroup, autoCommit: false },
    async read(consumer, see, isDone) {
      for await (const { value } of consumer) {
        see(value)
        if (isDone()) break
      }
    }
  },
  {
    name: 'a loop over partitions assigned by hand',
    options: {},
    async read(consumer, see, isDone) {
      for await (const { value } of consumer) {
        see(value)
        if (isDone()) break
      }
    }
  }
]

describe.each(kinds)('$name', ({ options, read }) => {
  it('gets every record from a producer that is faster than it, however little the partition holds', async () => {
    await open()
    const consumer = textConsumer(cluster, options)
    if (!options.topics) consumer.assign([{ topic: 'bus', partition: 0 }])
    await consumer.start()
    const seen: string[] = []
    const reading = read(
      consumer,
      value => seen.push(value),
      () => seen.length === count
    )
    await Promise.all([sendAll(), reading])
    expect(seen.length).toBe(count)
    expect(new Set(seen)).toEqual(new Set(values))
    expect(cluster.topic('bus').partitions[0].logStartOffset).toBeGreaterThan(0)
  })

  it('gets every record after a while in which it was assigned and not read', async () => {
    await open()
    const consumer = textConsumer(cluster, options)
    if (!options.topics) consumer.assign([{ topic: 'bus', partition: 0 }])
    await consumer.start()
    const sending = sendAll()
    await until(() => backlogOf(cluster.topic('bus').partitions[0]).held.length > 0)
    const seen: string[] = []
    await read(
      consumer,
      value => seen.push(value),
      () => seen.length === count
    )
    await sending
    expect(new Set(seen)).toEqual(new Set(values))
  })
})

describe('a producer that is held', () => {
  it('goes on when the reader that holds it is closed', async () => {
    await open()
    const consumer = textConsumer(cluster, inGroup)
    await consumer.start()
    const sending = sendAll()
    await until(() => backlogOf(cluster.topic('bus').partitions[0]).held.length > 0)
    await consumer.close()
    await sending
  })

  it('goes on when a paused reader is resumed, and nothing is lost meanwhile', async () => {
    await open()
    const consumer = textConsumer(cluster, inGroup)
    await consumer.start()
    consumer.pause()
    const seen: string[] = []
    const reading = (async () => {
      for await (const { value } of consumer) {
        seen.push(value)
        if (seen.length === count) break
      }
    })()
    const sending = sendAll()
    await until(() => backlogOf(cluster.topic('bus').partitions[0]).held.length > 0)
    expect(seen).toEqual([])
    consumer.resume()
    await Promise.all([sending, reading])
    expect(new Set(seen)).toEqual(new Set(values))
  })

  it('waits for the slowest of two groups', async () => {
    await open()
    const fast = textConsumer(cluster, { ...inGroup, groupId: 'fast' })
    const slow = textConsumer(cluster, { ...inGroup, groupId: 'slow' })
    await fast.start()
    await slow.start()
    const seen = { fast: 0, slow: 0 }
    const reading = [
      (async () => {
        for await (const _ of fast) if (++seen.fast === count) break
      })(),
      (async () => {
        for await (const _ of slow) {
          if (seen.slow % 50 === 0) await settle()
          if (++seen.slow === count) break
        }
      })()
    ]
    await Promise.all([sendAll(), ...reading])
    expect(seen).toEqual({ fast: count, slow: count })
  })

  it('is held for a partition that changes hands, and every record is read once', async () => {
    await open(2)
    const first = textConsumer(cluster, inGroup)
    await first.start()
    const sending = sendAll()
    await until(() => cluster.topic('bus').partitions.some(each => backlogOf(each).held.length > 0))
    const second = textConsumer(cluster, inGroup)
    await second.start()
    const seen: string[] = []
    const reading = [first, second].map(async consumer => {
      for await (const { value } of consumer) seen.push(value)
    })
    await sending
    await until(() => seen.length >= count)
    await first.close()
    await second.close()
    await Promise.all(reading)
    expect(seen.length).toBe(count)
    expect(new Set(seen)).toEqual(new Set(values))
  })
})

it('a consumer that its group has expelled, and that has not heard of it, holds up no producer', async () => {
  const clock = new VirtualClock()
  let isCutOff = false
  const intercept = (brokers: Brokers, clientId: string) =>
    wrappedBrokers(brokers, broker => ({
      request: async (api, body, signal) => (isCutOff && clientId === 'cut-off' ? new Promise(() => {}) : broker.request(api, body, signal))
    }))
  cluster = await Cluster.open({ clock, intercept })
  await cluster.admin().createTopic({ name: 'bus', partitions: 1, configs: small })
  const options = { groupId: 'g', topics: ['bus'], sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000 }
  const cutOff = textConsumer(cluster, { ...options, clientId: 'cut-off' })
  await cutOff.start()
  isCutOff = true
  const sent = sendAll()
  const other = textConsumer(cluster, { ...options, clientId: 'other' })
  let read = 0
  const reading = (async () => {
    for await (const _ of other) if (++read === count) break
  })()
  await untilSettled(Promise.all([sent, reading]), () => clock.advance(1000))
  expect(read).toBe(count)
  await untilSettled(cutOff.close({ timeoutMs: 10 }), () => clock.advance(1000))
})
