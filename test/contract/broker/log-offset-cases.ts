import { expect, it } from 'vitest'
import { DeleteRecords } from '../../../src/protocol/messages/delete-records.js'
import { OffsetForLeaderEpoch } from '../../../src/protocol/messages/offset-for-leader-epoch.js'
import type { Stage } from './broker-contract.js'
import { codecs } from './produce-cases.js'
import { batch, batchOf, withError } from './waist-client.js'
import { fresh } from './world.js'

const [latest, earliest, maxTimestamp, earliestLocal] = [-1, -2, -3, -4]
const start = Date.UTC(2024, 0, 1)

export function logOffsetCases(stage: Stage): void {
  /** One partition with records at start, +10, +20; +30, +5, +40; +40, +40, +15. */
  const filled = async (codec: (typeof codecs)[number] = 'none') => {
    const name = fresh('timed')
    await stage.client.createTopic(name, 1, { 'retention.ms': '-1' })
    for (const times of [
      [0, 10, 20],
      [30, 5, 40],
      [40, 40, 15]
    ]) {
      const records = times.map(at => ({ value: `v${at}`, timestamp: start + at }))
      expect(await stage.client.produce(name, 0, batchOf(records, codec))).toMatchObject({ error: 'NONE' })
    }
    return name
  }

  const deleteRecords = async (name: string, partitionIndex: number, offset: number) => {
    const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
    return withError((await stage.client.node.request(DeleteRecords, { topics, timeoutMs: 10_000 })).topics[0].partitions[0])
  }

  const endOfEpoch = async (name: string, partition: number, leaderEpoch: number, currentLeaderEpoch = -1) => {
    const topics = [{ topic: name, partitions: [{ partition, leaderEpoch, currentLeaderEpoch }] }]
    return withError((await stage.client.node.request(OffsetForLeaderEpoch, { replicaId: -1, topics })).topics[0].partitions[0])
  }

  it('lie between the start and the end of the log', async () => {
    const name = await filled()
    expect(await stage.client.listOffset(name, 0, earliest)).toMatchObject({ error: 'NONE', offset: 0, timestamp: -1, leaderEpoch: 0 })
    expect(await stage.client.listOffset(name, 0, earliestLocal)).toMatchObject({ error: 'NONE', offset: 0, timestamp: -1, leaderEpoch: 0 })
    expect(await stage.client.listOffset(name, 0, latest)).toMatchObject({ error: 'NONE', offset: 9, timestamp: -1, leaderEpoch: 0 })
  })

  it.each(codecs)('are found by time, to the record, in %s', async codec => {
    const name = await filled(codec)
    const find = async (at: number) => {
      const { error, offset, timestamp = 0 } = await stage.client.listOffset(name, 0, start + at)
      expect(error).toBe('NONE')
      return [offset, timestamp === -1 ? -1 : timestamp - start]
    }
    expect(await find(-1000)).toEqual([0, 0])
    expect(await find(0)).toEqual([0, 0])
    expect(await find(1)).toEqual([1, 10])
    expect(await find(20)).toEqual([2, 20])
    expect(await find(21)).toEqual([3, 30])
    expect(await find(31)).toEqual([5, 40])
    expect(await find(40)).toEqual([5, 40])
    expect(await find(41)).toEqual([-1, -1])
  })

  it.each(codecs)('of the latest timestamp are those of the first record that has it, in %s', async codec => {
    const name = await filled(codec)
    expect(await stage.client.listOffset(name, 0, maxTimestamp)).toMatchObject({ error: 'NONE', offset: 5, timestamp: start + 40 })
  })

  it('are few in an empty log', async () => {
    const name = fresh('empty')
    await stage.client.createTopic(name)
    expect(await stage.client.listOffset(name, 0, earliest)).toMatchObject({ error: 'NONE', offset: 0 })
    expect(await stage.client.listOffset(name, 0, latest)).toMatchObject({ error: 'NONE', offset: 0, leaderEpoch: 0 })
    expect(await stage.client.listOffset(name, 0, maxTimestamp)).toMatchObject({ error: 'NONE', offset: -1, timestamp: -1 })
    expect(await stage.client.listOffset(name, 0, start)).toMatchObject({ error: 'NONE', offset: -1, timestamp: -1, leaderEpoch: -1 })
  })

  it('are refused for what is not there', async () => {
    const name = await filled()
    expect(await stage.client.listOffset(name, 3, latest)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', offset: -1 })
    expect(await stage.client.listOffset(fresh('missing'), 0, latest)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', offset: -1 })
    expect(await stage.client.listOffset(name, 0, latest, 99)).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH' })
  })

  it('start later once records were deleted', async () => {
    const { client } = stage
    const name = await filled()
    expect(await deleteRecords(name, 0, 4)).toMatchObject({ error: 'NONE', lowWatermark: 4 })
    expect(await client.listOffset(name, 0, earliest)).toMatchObject({ offset: 4 })
    expect((await client.fetch(name, [0], { offset: 3 }))[0]).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' })
    expect((await client.fetch(name, [0], { offset: 4 }))[0]).toMatchObject({
      error: 'NONE',
      logStartOffset: 4,
      values: ['v30', 'v5', 'v40', 'v40', 'v40', 'v15']
    })
    expect(await client.produce(name, 0, batch(['new']))).toMatchObject({ error: 'NONE', baseOffset: 9, logStartOffset: 4 })
    // Deleting what is deleted changes nothing.
    expect(await deleteRecords(name, 0, 2)).toMatchObject({ error: 'NONE', lowWatermark: 4 })
    expect(await deleteRecords(name, 0, -1)).toMatchObject({ error: 'NONE', lowWatermark: 10 })
    expect((await client.fetch(name, [0], { offset: 10 }))[0]).toMatchObject({ error: 'NONE', logStartOffset: 10, values: [] })
    expect(await client.produce(name, 0, batch(['newer']))).toMatchObject({ error: 'NONE', baseOffset: 10 })
  })

  it('up to which records are deleted must be in the log', async () => {
    const name = await filled()
    expect(await deleteRecords(name, 0, 10)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', lowWatermark: -1 })
    expect(await deleteRecords(name, 0, -2)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', lowWatermark: -1 })
    expect(await deleteRecords(name, 3, 0)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', lowWatermark: -1 })
    expect(await deleteRecords(fresh('missing'), 0, 0)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', lowWatermark: -1 })
    expect(await deleteRecords('__consumer_offsets', 0, 0)).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION', lowWatermark: -1 })
  })

  it('end a leader epoch', async () => {
    const name = await filled()
    expect(await endOfEpoch(name, 0, 0)).toMatchObject({ error: 'NONE', leaderEpoch: 0, endOffset: 9 })
    expect(await endOfEpoch(name, 0, 7)).toMatchObject({ error: 'NONE', leaderEpoch: -1, endOffset: -1 })
    expect(await endOfEpoch(name, 0, 0, 7)).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH' })
    expect(await endOfEpoch(name, 3, 0)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    const empty = fresh('empty')
    await stage.client.createTopic(empty)
    expect(await endOfEpoch(empty, 0, 0)).toMatchObject({ error: 'NONE', leaderEpoch: 0, endOffset: 0 })
  })
}
