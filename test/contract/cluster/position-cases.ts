import { expect, it } from 'vitest'
import { fresh } from '../broker/world.js'
import type { ClusterStage } from './cluster-contract.js'
import { numbered, send, takeValues, textConsumer } from './reading.js'

const start = Date.UTC(2024, 0, 1)

export function positionCases(stage: ClusterStage): void {
  /** Ten records, a second apart, in partition 0 of two; none in partition 1. */
  const filled = async () => {
    const name = fresh('filled')
    await using admin = stage.cluster.admin()
    await admin.createTopic({ name, partitions: 2, configs: { 'retention.ms': -1 } })
    await using producer = stage.cluster.producer()
    for (const [from, to] of [
      [0, 4],
      [4, 10]
    ]) {
      await producer.sendBatch(
        name,
        numbered('v', to - from, from).map((value, i) => ({ value, partition: 0, timestamp: start + (from + i) * 1000 }))
      )
    }
    return name
  }
  const assigned = (name: string, options = {}) => {
    const consumer = textConsumer(stage.cluster, options)
    consumer.assign([
      { topic: name, partition: 0 },
      { topic: name, partition: 1 }
    ])
    return consumer
  }

  it('are set to any offset, as often as wanted', async () => {
    const name = await filled()
    await using consumer = assigned(name)
    expect(await takeValues(consumer, 10)).toEqual(numbered('v', 10))
    for (const offset of [7, 0, 3, 9]) {
      consumer.seek({ topic: name, partition: 0, offset })
      expect(await takeValues(consumer, 10 - offset)).toEqual(numbered('v', 10 - offset, offset))
      expect(consumer.position({ topic: name, partition: 0 })).toBe(10)
    }
  })

  it('are set by time', async () => {
    const name = await filled()
    await using consumer = assigned(name)
    await consumer.start()
    await consumer.seekToTimestamp(start + 6500)
    expect(consumer.position({ topic: name, partition: 0 })).toBe(7)
    expect(consumer.position({ topic: name, partition: 1 })).toBe(0)
    expect(await takeValues(consumer, 3)).toEqual(['v7', 'v8', 'v9'])
    await consumer.seekToTimestamp(start + 60_000)
    expect(consumer.position({ topic: name, partition: 0 })).toBe(10)
  })

  it('are set to the beginning and the end', async () => {
    const name = await filled()
    await using consumer = assigned(name)
    await consumer.start()
    await consumer.seekToEnd()
    const waiting = takeValues(consumer, 1)
    await send(stage.cluster, name, ['new'], 0)
    expect(await waiting).toEqual(['new'])
    await consumer.seekToBeginning([{ topic: name, partition: 0 }])
    expect(await takeValues(consumer, 11)).toEqual([...numbered('v', 10), 'new'])
  })

  it('begin at the latest offset unless told otherwise', async () => {
    const name = await filled()
    await using consumer = assigned(name, { autoOffsetReset: 'latest' })
    await consumer.start()
    await send(stage.cluster, name, ['new'], 0)
    expect(await takeValues(consumer, 1)).toEqual(['new'])
  })

  it('stand still while a partition is paused', async () => {
    const name = await filled()
    await send(stage.cluster, name, ['other'], 1)
    await using consumer = assigned(name)
    await consumer.start()
    consumer.pause([{ topic: name, partition: 0 }])
    expect(consumer.paused()).toEqual([{ topic: name, partition: 0 }])
    expect(await takeValues(consumer, 1)).toEqual(['other'])
    await send(stage.cluster, name, ['another'], 1)
    expect(await takeValues(consumer, 1)).toEqual(['another'])
    consumer.resume()
    expect(await takeValues(consumer, 10)).toEqual(numbered('v', 10))
  })

  it('are compared with the ends of the partitions', async () => {
    const name = await filled()
    await using consumer = assigned(name)
    const [first, second] = [0, 1].map(partition => ({ topic: name, partition }))
    expect(await consumer.beginningOffsets([first, second])).toEqual([
      { ...first, offset: 0 },
      { ...second, offset: 0 }
    ])
    expect(await consumer.endOffsets([first, second])).toEqual([
      { ...first, offset: 10 },
      { ...second, offset: 0 }
    ])
    expect(await consumer.offsetsForTimestamp(start + 4001, [first, second])).toMatchObject([
      { ...first, offset: 5, timestamp: start + 5000 },
      { ...second, offset: -1 }
    ])
    await takeValues(consumer, 4)
    expect(await consumer.lag()).toEqual([
      { ...first, lag: 6 },
      { ...second, lag: 0 }
    ])
  })

  it('that lie before the start of the log are moved to it', async () => {
    const name = await filled()
    await using admin = stage.cluster.admin()
    await admin.deleteRecords([{ topic: name, partition: 0, before: 6 }])
    await using consumer = assigned(name)
    await consumer.start()
    consumer.seek({ topic: name, partition: 0, offset: 2 })
    expect(await takeValues(consumer, 4)).toEqual(numbered('v', 4, 6))
  })
}
