import { describe, expect, it } from 'vitest'
import type { Broker } from '../../src/protocol/broker.js'
import { DeleteRecords } from '../../src/protocol/messages/delete-records.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { OffsetForLeaderEpoch } from '../../src/protocol/messages/offset-for-leader-epoch.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { createInternalTopic, createTopic, fetch, openNode, produce, withError } from './helpers.js'

async function listOffset(
  client: Broker,
  timestamp: number,
  wishes: { topic?: string; partition?: number; epoch?: number; isolation?: number } = {}
) {
  const { topic = 'orders', partition = 0, epoch = -1, isolation = 0 } = wishes
  const partitions = [{ partitionIndex: partition, currentLeaderEpoch: epoch, timestamp }]
  const { topics } = await client.request(ListOffsets, { replicaId: -1, isolationLevel: isolation, topics: [{ name: topic, partitions }] })
  return withError(topics[0].partitions[0])
}

async function deleteBefore(client: Broker, offset: number, partition = 0, name = 'orders') {
  const topics = [{ name, partitions: [{ partitionIndex: partition, offset }] }]
  const response = await client.request(DeleteRecords, { topics, timeoutMs: 1000 })
  return withError(response.topics[0].partitions[0])
}

async function endOfEpoch(client: Broker, leaderEpoch: number, currentLeaderEpoch = -1, partition = 0) {
  const topics = [{ topic: 'orders', partitions: [{ partition, currentLeaderEpoch, leaderEpoch }] }]
  const response = await client.request(OffsetForLeaderEpoch, { topics })
  return withError(response.topics[0].partitions[0])
}

async function openWithRecords() {
  const opened = await openNode()
  await createTopic(opened.client, 'orders')
  const start = opened.clock.now()
  for (const [delta, value] of [
    [10, 'a'],
    [30, 'b'],
    [20, 'c']
  ] as const)
    await produce(opened.client, 'orders', 0, RecordBatch.of([{ timestamp: start + delta, value }]).bytes)
  return { ...opened, start }
}

describe('ListOffsets', () => {
  it('finds the start and the end', async () => {
    const { client } = await openWithRecords()
    expect(await listOffset(client, -2)).toMatchObject({ error: 'NONE', offset: 0, timestamp: -1, leaderEpoch: 0 })
    expect(await listOffset(client, -1)).toMatchObject({ error: 'NONE', offset: 3, timestamp: -1, leaderEpoch: 0 })
    expect(await listOffset(client, -1, { isolation: 1 })).toMatchObject({ offset: 3 })
    expect(await listOffset(client, -4)).toMatchObject({ offset: 0 })
    expect(await listOffset(client, -5)).toMatchObject({ error: 'NONE', offset: -1 })
  })

  it('finds the first record at or after a time, and the one with the largest', async () => {
    const { client, start } = await openWithRecords()
    expect(await listOffset(client, start)).toMatchObject({ offset: 0, timestamp: start + 10, leaderEpoch: 0 })
    expect(await listOffset(client, start + 11)).toMatchObject({ offset: 1, timestamp: start + 30 })
    expect(await listOffset(client, start + 31)).toMatchObject({ error: 'NONE', offset: -1, timestamp: -1 })
    expect(await listOffset(client, -3)).toMatchObject({ offset: 1, timestamp: start + 30 })
  })

  it('refuses what does not exist, and other ideas of the leader epoch', async () => {
    const { client } = await openWithRecords()
    expect(await listOffset(client, -1, { topic: 'nothing' })).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', offset: -1 })
    expect(await listOffset(client, -1, { partition: 5 })).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await listOffset(client, -1, { epoch: 3 })).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH' })
    expect(await listOffset(client, -9)).toMatchObject({ error: 'UNSUPPORTED_VERSION' })
  })
})

describe('DeleteRecords', () => {
  it('moves the start of the log, to an offset or to the high watermark', async () => {
    const { client } = await openWithRecords()
    expect(await deleteBefore(client, 2)).toMatchObject({ error: 'NONE', lowWatermark: 2 })
    expect(await fetch(client, 'orders', [0], { offset: 1 })).toMatchObject([{ error: 'OFFSET_OUT_OF_RANGE', logStartOffset: 2 }])
    expect(await fetch(client, 'orders', [0], { offset: 2 })).toMatchObject([{ values: ['c'] }])
    expect(await listOffset(client, -2)).toMatchObject({ offset: 2 })
    expect(await deleteBefore(client, 1)).toMatchObject({ error: 'NONE', lowWatermark: 2 })
    expect(await deleteBefore(client, -1)).toMatchObject({ error: 'NONE', lowWatermark: 3 })
  })

  it('refuses offsets beyond the log, and what does not exist', async () => {
    const { client, node } = await openWithRecords()
    expect(await deleteBefore(client, 4)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', lowWatermark: -1 })
    expect(await deleteBefore(client, -2)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' })
    expect(await deleteBefore(client, 0, 5)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await createInternalTopic(node, '__consumer_offsets')
    expect(await deleteBefore(client, 0, 0, '__consumer_offsets')).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION' })
  })
})

describe('OffsetForLeaderEpoch', () => {
  it('ends the current epoch where the log ends', async () => {
    const { client } = await openWithRecords()
    expect(await endOfEpoch(client, 0, 0)).toMatchObject({ error: 'NONE', leaderEpoch: 0, endOffset: 3 })
  })

  it('ends the current epoch of an empty log at its start', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    expect(await endOfEpoch(client, 0)).toMatchObject({ error: 'NONE', leaderEpoch: 0, endOffset: 0 })
  })

  it('does not know newer epochs, nor what does not exist', async () => {
    const { client } = await openWithRecords()
    expect(await endOfEpoch(client, 4)).toMatchObject({ error: 'NONE', leaderEpoch: -1, endOffset: -1 })
    expect(await endOfEpoch(client, 0, 2)).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH', endOffset: -1 })
    expect(await endOfEpoch(client, 0, -1, 7)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })
})
