import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backlogOf } from '../../src/broker/partition.js'
import { Cluster } from '../../src/cluster.js'
import type { Producer } from '../../src/producer/producer.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { settle, textConsumer, until } from '../consumer/helpers.js'

let cluster: Cluster
let clock: VirtualClock

/** Two topics, of which `full` has a started reader that does not read and no room for more. */
beforeEach(async () => {
  clock = new VirtualClock()
  cluster = await Cluster.open({ clock })
  const configs = { 'retention.bytes': 10_000, 'segment.bytes': 5_000 }
  await cluster.admin().createTopics([
    { name: 'full', partitions: 1, configs },
    { name: 'free', partitions: 1 }
  ])
  await reader.start()
  const producer = cluster.producer()
  for (let i = 0; i < 9; i++) await producer.send('full', { value })
})

afterEach(() => cluster.close())

const value = 'x'.repeat(1000)

const reader = {
  consumer: undefined as ReturnType<typeof textConsumer> | undefined,
  start() {
    this.consumer = textConsumer(cluster, { groupId: 'slow', topics: ['full'] })
    return this.consumer.start()
  },
  async read(count: number) {
    let seen = 0
    for await (const _ of this.consumer!) if (++seen === count) break
  }
}

/** Sends a record, and lets it come to where it is held. */
function sendHeld(producer: Producer): Promise<unknown> {
  return producer.send('full', { value }).catch(error => error)
}

const isHeld = () => backlogOf(cluster.topic('full').partitions[0]).held.length > 0

describe('a producer whose partition is full', () => {
  it('is told after `deliveryTimeoutMs` which reader held it, and the record is never appended', async () => {
    const sent = sendHeld(cluster.producer({ deliveryTimeoutMs: 5000 }))
    await until(isHeld)
    await clock.advance(5000)
    const error = (await sent) as Error & { code: string }
    expect(error.code).toBe('REQUEST_TIMED_OUT')
    expect(error.message).toMatch(/^Not delivered within 5000 ms, in \d+ tries; the last error was: The batch was held for/)
    expect(error.message).toMatch(/the group `slow` is 9 records, \d+ bytes, behind in full-0/)
    const reading = reader.read(9)
    await clock.advance(10_000)
    await reading
    expect(cluster.topic('full').partitions[0].logEndOffset).toBe(9)
  })

  it('tries again when a request was held for too long, and delivers once the reader has read', async () => {
    const sent = sendHeld(cluster.producer({ requestTimeoutMs: 4000 }))
    await until(isHeld)
    await clock.advance(3000)
    expect(isHeld()).toBe(false)
    await clock.advance(1000)
    await until(isHeld)
    await reader.read(9)
    expect(await sent).toMatchObject({ offset: 9 })
  })

  it('is told after `maxBlockMs` why the buffer has no room', async () => {
    const producer = cluster.producer({ bufferMemory: 2000, maxBlockMs: 1000 })
    const first = sendHeld(producer)
    await until(isHeld)
    const second = sendHeld(producer)
    await settle()
    await clock.advance(1000)
    const error = (await second) as Error & { code: string }
    expect(error.code).toBe('REQUEST_TIMED_OUT')
    expect(error.message).toMatch(/^Within 1000 ms, the buffer had no room for the records for `full`/)
    expect(error.message).toMatch(/is not delivered: full-0 keeps at most 10000 bytes.*the group `slow` is 9 records/)
    await reader.read(9)
    await first
  })

  it('still delivers to other partitions what it sends in the same turn and later', async () => {
    const producer = cluster.producer()
    const held = sendHeld(producer)
    expect(await producer.send('free', { value: 'beside it' })).toMatchObject({ offset: 0 })
    await until(isHeld)
    expect(await producer.send('free', { value: 'after it' })).toMatchObject({ offset: 1 })
    await reader.read(9)
    expect(await held).toMatchObject({ offset: 9 })
  })

  it('keeps the order of what it sends to the full partition', async () => {
    const producer = cluster.producer()
    const sent = Array.from({ length: 5 }, (_, i) => producer.send('full', { value: `${i}${value}` }))
    await producer.send('free', { value: 'beside it' })
    await reader.read(9)
    expect((await Promise.all(sent)).map(({ offset }) => offset)).toEqual([9, 10, 11, 12, 13])
  })

  it('goes on when it is sent to with acks 0, too', async () => {
    const producer = cluster.producer({ acks: 0 })
    const sent = sendHeld(producer)
    await until(isHeld)
    await reader.read(9)
    expect(await sent).toMatchObject({ offset: -1 })
    await until(() => cluster.topic('full').partitions[0].logEndOffset === 10)
  })

  it('stops waiting when it is closed', async () => {
    const producer = cluster.producer()
    const sent = sendHeld(producer)
    await until(isHeld)
    const closed = producer.close({ timeoutMs: 100 })
    await clock.advance(100)
    await closed
    expect(((await sent) as { code: string }).code).toBe('CLOSED')
    expect(isHeld()).toBe(false)
  })
})
