import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import type { ConsumerOptions } from '../../../src/consumer/consumer-options.js'
import type { TopicSelector } from '../../../src/consumer/source/subscription.js'
import { numbered, openCluster, send, textConsumer } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const first = { topic: 'orders', partition: 0 }

type Options = ConsumerOptions<TopicSelector, string, string>
const kinds: [string, Options][] = [
  ['with a group', { groupId: 'g', topics: ['orders'] }],
  ['with a group and commits by hand', { groupId: 'g', topics: ['orders'], autoCommit: false }],
  ['without a group', { topics: ['orders'] }]
]
const ways = ['break', 'throw', 'return'] as const

/**
 * Reads items of one offset each, and leaves at the first that is not below `offset`. Returns it.
 */
async function leaveAt(loop: AsyncIterable<number>, offset: number, way: string): Promise<number | undefined> {
  let left: number | undefined
  try {
    for await (const at of loop) {
      if (at < offset) continue
      left = at
      if (way === 'throw') throw new Error('cannot handle this')
      if (way === 'return') return left
      break
    }
  } catch (error) {
    expect(error).toMatchObject({ message: 'cannot handle this' })
  }
  return left
}

async function* offsetsOf<T>(items: AsyncIterableIterator<T, undefined>, offsetOf: (item: T) => number) {
  for await (const item of items) yield offsetOf(item)
}

describe.each(kinds)('a consumer %s', (_, options) => {
  it.each(ways)('reads the record again at which a loop was left by %s', async way => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, options)
    await leaveAt(
      offsetsOf(consumer.records(), ({ offset }) => offset),
      4,
      way
    )
    expect(consumer.position(first)).toBe(4)
    const seen: number[] = []
    for await (const { offset } of consumer) {
      seen.push(offset)
      if (offset === 6) break
    }
    expect(seen).toEqual([4, 5, 6])
    if (options.groupId)
      expect((await consumer.committed([first])).map(({ offset }) => offset)).toEqual(options.autoCommit === false ? [] : [6])
  })

  it.each(ways)('reads the batch again at which a loop was left by %s', async way => {
    await send(cluster, 'orders', numbered('v', 12), 0)
    await using consumer = textConsumer(cluster, { ...options, maxPollRecords: 3 })
    // A busy machine may send the records in more batches than one.
    const left = await leaveAt(
      offsetsOf(consumer.batches(), ({ baseOffset }) => baseOffset),
      6,
      way
    )
    expect(left).toBeGreaterThanOrEqual(6)
    expect(consumer.position(first)).toBe(left)
    for await (const { baseOffset } of consumer.batches()) {
      expect(baseOffset).toBe(left)
      break
    }
  })

  it('reads the record again at which a handler of run failed', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, options)
    const eachRecord = ({ offset }: { offset: number }) => {
      if (offset === 4) throw new Error('cannot handle this')
    }
    await expect(consumer.run({ eachRecord })).rejects.toThrow('cannot handle this')
    expect(consumer.position(first)).toBe(4)
    for await (const { offset } of consumer) {
      expect(offset).toBe(4)
      break
    }
  })
})

describe('a loop that was left', () => {
  it('leaves its last record to the next loop, also when a later loop was left and its records were committed', async () => {
    await cluster.admin().createTopic({ name: 'pair', partitions: 2 })
    await send(cluster, 'pair', ['a'], 0)
    await using consumer = textConsumer(cluster, { groupId: 'g', topics: ['pair'], autoCommit: false })
    for await (const { value } of consumer) {
      expect(value).toBe('a')
      break
    }
    consumer.pause([{ topic: 'pair', partition: 0 }])
    await send(cluster, 'pair', ['b'], 1)
    for await (const { value } of consumer) {
      expect(value).toBe('b')
      break
    }
    await consumer.commit()
    consumer.resume([{ topic: 'pair', partition: 0 }])
    for await (const { value } of consumer) {
      expect(value).toBe('a')
      break
    }
  })

  it('is counted as handled by a seek past its last record, without a group', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, { topics: ['orders'] })
    for await (const { offset } of consumer) {
      if (offset < 4) continue
      consumer.seek({ ...first, offset: offset + 1 })
      break
    }
    for await (const { offset } of consumer) {
      expect(offset).toBe(5)
      break
    }
  })

  it('is counted as handled by a commit of its last record that follows', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, { groupId: 'g', topics: ['orders'], autoCommit: false })
    for await (const { offset } of consumer) if (offset === 4) break
    await consumer.commit([{ ...first, offset: 5 }])
    expect(consumer.position(first)).toBe(5)
    for await (const { offset } of consumer) if (offset === 7) break
    await consumer.commit()
    expect((await consumer.committed([first])).map(({ offset }) => offset)).toEqual([8])
    for await (const { offset } of consumer) {
      expect(offset).toBe(8)
      break
    }
  })
})
