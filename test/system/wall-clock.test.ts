import { afterEach, describe, expect, it } from 'vitest'
import * as core from '../../src/index.js'
import * as file from '../../src/storage/file/index.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import * as wire from '../../src/wire/index.js'
import { opened } from './fake-timers/life.js'

const hour = 3_600_000
const year = 365 * 24 * hour
const steps = [
  ['an hour back', -hour],
  ['twenty years back', -20 * year],
  ['an hour forward', hour],
  ['twenty years forward', 20 * year]
] as const

const { now } = Date

afterEach(() => {
  Date.now = now
})

function stepTo(ms: number): void {
  Date.now = () => now() + ms
}

describe.each(steps)('setting the date %s', (_, step) => {
  it.each(['memory', 'disk', 'wire'] as const)('stalls nothing and lets nothing expire in %s', async place => {
    const closing: (() => unknown)[] = []
    const cluster = await opened({ core, file, wire }, place, closing)
    const events: string[] = []
    const group = cluster.consumer({ topics: ['orders'], groupId: 'clerks', autoOffsetReset: 'earliest', heartbeatIntervalMs: 20 })
    group.on('rebalanced', () => events.push('rebalanced'))
    group.on('lost', () => events.push('lost'))
    group.on('error', error => events.push(String(error)))
    const read = group.records()
    const producer = cluster.producer()
    await producer.send('orders', { value: '0' })
    expect((await read.next()).value).toMatchObject({ offset: 0 })

    const lingering = cluster.producer({ lingerMs: 100 }).send('orders', { value: '1' })
    const polling = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest', fetchMinBytes: 1_000_000, fetchMaxWaitMs: 200 })
    const polled = polling.records().next()
    stepTo(step)
    await lingering
    expect((await polled).value).toMatchObject({ offset: 0 })
    expect((await read.next()).value).toMatchObject({ offset: 1 })

    // A busy turn of the event loop, in which nothing but promises settle.
    const before = Date.now()
    for (let i = 2; i < 300; i++) await producer.send('orders', { value: `${i}` })
    stepTo(0)
    for (let i = 2; i < 300; i++) expect((await read.next()).value).toMatchObject({ offset: i })
    stepTo(step)
    const { timestamp } = await producer.send('orders', { value: 'last' })
    expect(timestamp).toBeGreaterThanOrEqual(before)
    expect((await read.next()).value).toMatchObject({ offset: 300, timestamp })
    expect(events).toEqual(['rebalanced'])
    while (closing.length > 0) await closing.pop()?.()
  })

  it('expels no member, ends no request and starts no lookup, however long it stays so', async () => {
    const clock = new VirtualClock(Date.UTC(2025, 0, 1))
    const cluster = await core.Cluster.open({ clock })
    await cluster.admin().createTopics([{ name: 'orders', partitions: 2 }])
    const events: string[] = []
    const consumers = [1, 2].map(() => cluster.consumer({ topics: ['orders'], groupId: 'clerks', autoOffsetReset: 'earliest' }))
    for (const consumer of consumers) {
      consumer.on('lost', () => events.push('lost'))
      consumer.on('error', error => events.push(String(error)))
      void consumer.run({ eachRecord: () => {} })
    }
    await clock.advance(20_000)
    let rebalances = 0
    for (const consumer of consumers) consumer.on('rebalanced', () => rebalances++)
    clock.stepWallClock(step)
    const sent = cluster.producer({ lingerMs: 1000, deliveryTimeoutMs: 40_000 }).send('orders', { value: 'v' })
    await clock.advance(999)
    clock.stepWallClock(-step)
    await clock.advance(1)
    expect(await sent).toMatchObject({ offset: 0 })
    for (let i = 0; i < 60; i++) {
      await clock.advance(3000)
      clock.stepWallClock(i % 2 === 0 ? step : -step)
    }
    expect([events, rebalances]).toEqual([[], 0])
    const closed = cluster.close()
    await clock.advance(60_000)
    await closed
  })
})
