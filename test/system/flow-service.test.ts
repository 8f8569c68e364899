import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BacklogPolicy, Cluster, type Consumer, type KafkaError, type Producer, string } from '../../src/index.js'
import { VirtualClock } from '../../src/testing/index.js'
import { untilSettled } from '../until-settled.js'

/* A service that reads and sends in one function, as docs/flow.md describes it. */

const value = 'x'.repeat(100)
/** Some fifteen records. */
const limitBytes = 2000
const deliveryTimeoutMs = 10_000

let clock: VirtualClock
let cluster: Cluster
let producer: Producer
beforeEach(async () => {
  clock = new VirtualClock()
  cluster = await Cluster.open({ clock, configs: { 'group.initial.rebalance.delay.ms': 0 } })
  producer = cluster.producer({ deliveryTimeoutMs, requestTimeoutMs: 2000 })
})
afterEach(async () => {
  await drive(cluster.close())
})

const drive = <T>(promise: Promise<T>) => untilSettled(promise, () => clock.advance(100))

async function create(name: string, policy?: BacklogPolicy): Promise<void> {
  const configs = { 'segment.bytes': 600, 'retention.bytes': 600 }
  await drive(cluster.admin().createTopic({ name, partitions: 1, configs, backlog: { limitBytes, ...(policy && { policy }) } }))
}

function reader(topic: string, groupId: string): Consumer<string, Uint8Array, string> {
  return cluster.consumer({ topics: [topic], groupId, value: string, autoOffsetReset: 'earliest', maxPartitionFetchBytes: 500 })
}

const codeOf = (sent: Promise<unknown>) =>
  sent.then(
    () => 'none',
    (error: KafkaError) => error
  )

describe('a service that reads and sends in one function', () => {
  it('waits for nothing while there is room, however much goes through it', async () => {
    await create('orders')
    await create('invoices')
    const orders = reader('orders', 'billing')
    const invoices = reader('invoices', 'archive')
    await drive(Promise.all([orders.start(), invoices.start()]))
    let archived = 0
    const billing = (async () => {
      for await (const record of orders) await producer.send('invoices', { value: record.value })
    })()
    const archive = (async () => {
      for await (const _ of invoices) archived++
    })()
    const startedAt = clock.monotonic()
    for (let i = 0; i < 200; i++) await producer.send('orders', { value })
    await drive(
      (async () => {
        while (archived < 200) await new Promise(resolve => setImmediate(resolve))
      })()
    )
    expect(clock.monotonic() - startedAt).toBeLessThan(deliveryTimeoutMs)
    await drive(Promise.all([orders.close(), invoices.close()]))
    await Promise.all([billing, archive])
  })

  it('may send to the topic that it reads, also more than that keeps of what was read', async () => {
    await create('orders')
    const orders = reader('orders', 'billing')
    await drive(orders.start())
    await producer.send('orders', { value: `0 ${value}` })
    let last = 0
    const running = (async () => {
      for await (const record of orders) {
        last = Number.parseInt(record.value, 10)
        if (last === 100) return
        await producer.send('orders', { value: `${last + 1} ${value}` })
      }
    })()
    await drive(running)
    expect(last).toBe(100)
  })

  it.each([
    ['after deliveryTimeoutMs by default', undefined, 'REQUEST_TIMED_OUT', deliveryTimeoutMs],
    ['at once where the quota refuses', 'producer_exception', 'POLICY_VIOLATION', 0]
  ] as const)('is told that it waits for itself when it fills the topic that it reads: %s', async (_, policy, code, ms) => {
    await create('orders', policy)
    const orders = reader('orders', 'billing')
    await drive(orders.start())
    await producer.send('orders', { value })
    const iterator = orders.records()
    await drive(iterator.next())
    const startedAt = clock.monotonic()
    let error: unknown = 'none'
    for (let i = 0; i < 40 && error === 'none'; i++) error = await drive(codeOf(producer.send('orders', { value })))
    expect(error).toMatchObject({ code })
    expect((error as KafkaError).message).toMatch(/the group `billing` is \d+ records, \d+ bytes, behind in orders-0/)
    expect(clock.monotonic() - startedAt).toBeGreaterThanOrEqual(ms)
    expect(clock.monotonic() - startedAt).toBeLessThanOrEqual(ms + 5000)
    // Reading on makes room again.
    for (let i = 0; i < 10; i++) await drive(iterator.next())
    expect(await drive(codeOf(producer.send('orders', { value })))).toBe('none')
    await drive(iterator.return())
  })

  it('is held up by a full topic for what it sends there alone', async () => {
    await create('full')
    await create('free')
    const slow = reader('full', 'slow')
    await drive(slow.start())
    const first = Array.from({ length: 30 }, () => producer.send('full', { value }).catch(() => {}))
    const startedAt = clock.monotonic()
    for (let i = 0; i < 50; i++) await producer.send('free', { value })
    expect(clock.monotonic()).toBe(startedAt)
    const reading = (async () => {
      for await (const _ of slow);
    })()
    await drive(Promise.all(first))
    await drive(slow.close())
    await reading
  })
})
