import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import type { RecordsMissed } from '../../../src/consumer/consumer-events.js'
import { keepReading, numbered, openCluster, send, settle, textConsumer, until } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const first = { topic: 'orders', partition: 0 }
const groupOptions = { groupId: 'g', topics: ['orders'] }
const removeBefore = (before: number) => cluster.admin().deleteRecords([{ ...first, before }])

describe('records that are removed before they are read', () => {
  it.each([
    ['earliest', 6, 3],
    ['latest', 10, 7]
  ] as const)('are told with their number and where reading goes on: %s', async (autoOffsetReset, to, count) => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, { autoOffsetReset })
    const missed: RecordsMissed[] = []
    consumer.on('recordsMissed', event => missed.push(event))
    await removeBefore(6)
    consumer.assign([first])
    consumer.seek({ ...first, offset: 3 })
    const seen: string[] = []
    const loop = keepReading(consumer, ({ value }) => void seen.push(value))
    await until(() => missed.length === 1)
    await send(cluster, 'orders', ['more'], 0)
    await until(() => seen.at(-1) === 'more')
    expect(missed).toEqual([{ ...first, from: 3, to, count, reason: 'removed' }])
    expect(seen).toEqual([...numbered('v', 10).slice(to), 'more'])
    await consumer.close()
    await loop
  })

  it('end the loop where autoOffsetReset is none', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, { autoOffsetReset: 'none' })
    await removeBefore(6)
    consumer.assign([first])
    consumer.seek({ ...first, offset: 3 })
    await expect(keepReading(consumer, () => {})).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', topic: 'orders', partition: 0 })
  })

  it('are told of a group that was away meanwhile', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    const before = textConsumer(cluster, groupOptions)
    await before.start()
    await before.commit([{ ...first, offset: 2 }])
    await before.close()
    await removeBefore(8)
    await using consumer = textConsumer(cluster, groupOptions)
    const missed: RecordsMissed[] = []
    consumer.on('recordsMissed', event => missed.push(event))
    for await (const { offset } of consumer) {
      expect(offset).toBe(8)
      break
    }
    expect(missed).toEqual([{ ...first, from: 2, to: 8, count: 6, reason: 'removed' }])
  })

  it('do not let the commit pass a record that a handler still has in hand', async () => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    await using consumer = textConsumer(cluster, { ...groupOptions, retryBackoffMs: 1, retryBackoffMaxMs: 1 })
    const missed: RecordsMissed[] = []
    consumer.on('recordsMissed', event => missed.push(event))
    const handled: number[] = []
    let finish = () => {}
    const running = consumer.run({
      orderBy: 'key',
      concurrency: 8,
      async eachRecord({ offset }) {
        if (offset === 1) await new Promise<void>(resolve => (finish = resolve))
        handled.push(offset)
      }
    })
    await until(() => handled.length === 4)
    consumer.pause()
    await settle()
    await send(cluster, 'orders', numbered('v', 5, 5), 0)
    await removeBefore(8)
    consumer.resume()
    for (let turn = 0; turn < 20; turn++) await settle()
    await consumer.commit()
    expect((await consumer.committed([first])).map(({ offset }) => offset)).toEqual([1])
    finish()
    await until(() => handled.includes(9))
    // The fetch that was under way before the pause may have brought records 5 to 7.
    expect(handled.filter(offset => offset < 5 || offset > 7).sort()).toEqual([0, 1, 2, 3, 4, 8, 9])
    expect(missed.map(({ count }) => count)).toEqual(handled.includes(5) ? [] : [3])
    await consumer.close()
    await running
  })

  it('are warned of once per topic where nobody listens', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error & { code?: string }) => {
      if (warning.code === 'recordsMissed') warnings.push(warning)
    }
    process.on('warning', onWarning)
    try {
      await send(cluster, 'orders', numbered('v', 10), 0)
      await using consumer = textConsumer(cluster)
      consumer.assign([first])
      await removeBefore(6)
      for (const from of [3, 4]) {
        consumer.seek({ ...first, offset: from })
        for await (const { offset } of consumer) {
          expect(offset).toBe(6)
          break
        }
      }
      await settle()
      expect(warnings.map(({ message }) => message)).toEqual([
        '3 records of orders-0 were removed from the log before they were read: offset 3 and on; reading goes on at 6'
      ])
    } finally {
      process.off('warning', onWarning)
    }
  })

  it('are not told of a seek beyond the end', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await removeBefore(6)
    await using consumer = textConsumer(cluster)
    const missed: RecordsMissed[] = []
    consumer.on('recordsMissed', event => missed.push(event))
    consumer.assign([first])
    consumer.seek({ ...first, offset: 99 })
    for await (const { offset } of consumer) {
      expect(offset).toBe(6)
      break
    }
    expect(missed).toEqual([])
  })
})
