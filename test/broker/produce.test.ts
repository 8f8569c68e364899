import { describe, expect, it } from 'vitest'
import { markDeleted } from '../../src/broker/partition.js'
import { zeroUuid } from '../../src/common/uuid.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { attribute, field } from '../../src/record/batch-header.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { batch, createInternalTopic, createTopic, fetch, openNode, produce, produceRequest, withError } from './helpers.js'

describe('Produce', () => {
  it('answers with the offset of the first record, for every kind of acks', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const answers = [await produce(client, 'orders', 0, batch('a', 'b'), -1), await produce(client, 'orders', 0, batch('c'), 1)]
    answers.push(await produce(client, 'orders', 0, batch('d'), 0))
    expect(answers).toMatchObject(
      [0, 2, 3].map(baseOffset => ({ error: 'NONE', index: 0, baseOffset, logAppendTimeMs: -1, logStartOffset: 0 }))
    )
    expect((await fetch(client, 'orders', [0]))[0].values).toEqual(['a', 'b', 'c', 'd'])
  })

  it('leaves the bytes of the client as they were', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const records = batch('a')
    const before = records.slice()
    await produce(client, 'orders', 0, records)
    await produce(client, 'orders', 0, records)
    expect(records).toEqual(before)
  })

  it('refuses acks that do not exist, for every partition', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    expect(await produce(client, 'orders', 0, batch('a'), 2)).toMatchObject({ error: 'INVALID_REQUIRED_ACKS', baseOffset: -1 })
    expect((await fetch(client, 'orders', [0]))[0].values).toEqual([])
  })

  it('does not know topics, partitions and ids that do not exist, and creates none', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    expect(await produce(client, 'nothing', 0, batch('a'))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await produce(client, 'orders', 1, batch('a'))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await produce(client, 'orders', -1, batch('a'))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    const byId = produceRequest('', 0, batch('a'))
    const unknownId = { ...byId, topicData: [{ ...byId.topicData[0], topicId: 'AQIDBAUGBwgJCgsMDQ4PEA' }] }
    const { responses } = await client.request(Produce, unknownId)
    expect(withError(responses[0].partitionResponses[0])).toMatchObject({ error: 'UNKNOWN_TOPIC_ID' })
    expect([...node.topics.keys()]).toEqual(['orders'])
  })

  it('finds a topic by its id, and tells both its names', async () => {
    const { client } = await openNode()
    const topicId = await createTopic(client, 'orders')
    const request = { acks: 1, timeoutMs: 1, topicData: [{ topicId, partitionData: [{ index: 0, records: batch('a') }] }] }
    const { responses } = await client.request(Produce, request)
    expect(responses[0]).toMatchObject({ name: 'orders', topicId, partitionResponses: [{ errorCode: 0, baseOffset: 0 }] })
  })

  it('refuses what is not exactly one sound batch', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const two = new Uint8Array([...batch('a'), ...batch('b')])
    const damaged = batch('a')
    damaged[damaged.length - 2] ^= 1
    const old = batch('a')
    old[field.magic] = 1
    for (const [records, error] of [
      [null, 'INVALID_RECORD'],
      [new Uint8Array(0), 'INVALID_RECORD'],
      [two, 'INVALID_RECORD'],
      [old, 'INVALID_RECORD'],
      [damaged, 'CORRUPT_MESSAGE']
    ] as const)
      expect(await produce(client, 'orders', 0, records)).toMatchObject({ error })
    expect((await fetch(client, 'orders', [0]))[0].values).toEqual([])
  })

  it('answers each partition on its own', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders', 3)
    const partitionData = [0, 1, 7].map(index => ({ index, records: index === 1 ? batch('x').subarray(0, 40) : batch(`p${index}`) }))
    const { responses } = await client.request(Produce, { acks: -1, timeoutMs: 1, topicData: [{ name: 'orders', partitionData }] })
    const errors = responses[0].partitionResponses.map(withError)
    expect(errors).toMatchObject([
      { index: 0, error: 'NONE' },
      { index: 1, error: 'INVALID_RECORD' },
      { index: 7, error: 'UNKNOWN_TOPIC_OR_PARTITION' }
    ])
  })

  it('keeps clients from writing to internal topics', async () => {
    const { client, node } = await openNode()
    await createInternalTopic(node, '__consumer_offsets')
    expect(await produce(client, '__consumer_offsets', 0, batch('a'))).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION' })
  })

  it('refuses batches that are larger than the topic takes, or than a segment', async () => {
    const { client } = await openNode()
    await createTopic(client, 'small', 1, { 'max.message.bytes': '100' })
    await createTopic(client, 'short', 1, { 'segment.bytes': '100' })
    expect(await produce(client, 'small', 0, batch('x'.repeat(200)))).toMatchObject({ error: 'MESSAGE_TOO_LARGE' })
    expect(await produce(client, 'short', 0, batch('x'.repeat(200)))).toMatchObject({ error: 'RECORD_LIST_TOO_LARGE' })
  })

  it('names the records whose timestamps are out of range', async () => {
    const { client, clock } = await openNode()
    await createTopic(client, 'orders', 1, { 'message.timestamp.after.max.ms': '1000' })
    const times = [clock.now(), clock.now() + 5000, clock.now() + 1000]
    const answer = await produce(client, 'orders', 0, RecordBatch.of(times.map(timestamp => ({ timestamp, value: 'v' }))).bytes)
    expect(answer).toMatchObject({ error: 'INVALID_TIMESTAMP', recordErrors: [{ batchIndex: 1 }] })
    expect(answer.errorMessage).toContain('timestamp')
  })

  it('tells the time of the append where the topic stamps it', async () => {
    const { client, clock } = await openNode()
    await createTopic(client, 'orders', 1, { 'message.timestamp.type': 'LogAppendTime' })
    await clock.advance(5)
    expect(await produce(client, 'orders', 0, batch('a'))).toMatchObject({ error: 'NONE', logAppendTimeMs: clock.now() })
  })

  it('refuses zstd from clients of before it', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    const records = batch('a')
    records[field.attributes + 1] = (records[field.attributes + 1] & ~attribute.codecMask) | 4
    const old = node.connect({ clientId: 'old', apiVersion: 6 })
    expect(await produce(old, 'orders', 0, records)).toMatchObject({ error: 'UNSUPPORTED_COMPRESSION_TYPE' })
  })

  it('refuses a batch that a deleted topic would have got', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    const { partitions } = node.topics.get('orders')!
    const gone = partitions[0]
    markDeleted(gone)
    await gone.log.close()
    expect(await produce(client, 'orders', 0, batch('a'))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('is refused altogether once the node is closed', async () => {
    const { client, node } = await openNode()
    await node.close()
    await expect(produce(client, 'orders', 0, batch('a'))).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.request(Metadata, { topics: [{ topicId: zeroUuid, name: 'a' }] })).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
