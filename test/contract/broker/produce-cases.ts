import { expect, it } from 'vitest'
import { writeInt32 } from '../../../src/common/bytes.js'
import { crc32c } from '../../../src/common/crc32c.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import { field } from '../../../src/record/batch-header.js'
import type { CompressionType } from '../../../src/record/compression/codec.js'
import { RecordBatch, type RecordBatchOptions } from '../../../src/record/record-batch.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { batch, batchesOf, batchOf, produceRequest, withError } from './waist-client.js'
import { fresh } from './world.js'

const hasZstd = process.versions.zstd !== undefined
export const codecs: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', ...(hasZstd ? (['zstd'] as const) : [])]

const hour = 3_600_000

export function produceCases(stage: Stage): void {
  it.each(codecs)('keeps a batch compressed with %s byte for byte, but for its place in the log', async codec => {
    const { client } = stage
    const name = fresh('kept')
    await client.createTopic(name)
    const timestamp = Date.now()
    const records = [
      { key: 'k1', value: 'v'.repeat(1000), timestamp, headers: [{ key: 'h', value: 'x' }] },
      {
        key: null,
        value: null,
        timestamp: timestamp - 5,
        headers: [
          { key: 'h', value: null },
          { key: 'h', value: new Uint8Array([0, 255]) }
        ]
      },
      { key: new Uint8Array(0), value: '', timestamp: timestamp + 7 }
    ]
    const sent = batchOf(records, codec)
    expect(await client.produce(name, 0, batch(['first']))).toMatchObject({
      error: 'NONE',
      baseOffset: 0,
      logAppendTimeMs: -1,
      logStartOffset: 0
    })
    expect(await client.produce(name, 0, sent)).toMatchObject({ error: 'NONE', baseOffset: 1 })
    const [fetched] = await client.fetch(name, [0], { offset: 1 })
    const [kept] = batchesOf(fetched.records)
    expect(kept).toMatchObject({ baseOffset: 1, lastOffset: 3, leaderEpoch: 0, compression: codec, recordCount: 3 })
    kept.verify()
    expect(kept.bytes.subarray(field.magic)).toEqual(sent.subarray(field.magic))
    expect([...kept.records()].map(({ offset, timestamp: at }) => [offset, at - timestamp])).toEqual([
      [1, 0],
      [2, -5],
      [3, 7]
    ])
  })

  it('counts offsets up from one batch to the next, for each partition', async () => {
    const { client } = stage
    const name = fresh('counted')
    await client.createTopic(name, 2)
    expect(await client.produce(name, 0, batch(['a', 'b', 'c']))).toMatchObject({ baseOffset: 0 })
    expect(await client.produce(name, 0, batch(['d']))).toMatchObject({ baseOffset: 3 })
    expect(await client.produce(name, 1, batch(['e']))).toMatchObject({ baseOffset: 0 })
    expect(await client.produce(name, 0, batch(['f']))).toMatchObject({ baseOffset: 4 })
  })

  it.each([1, -1])('writes with acks=%i', async acks => {
    const name = fresh('acked')
    await stage.client.createTopic(name)
    expect(await stage.client.produce(name, 0, batch(['a']), acks)).toMatchObject({ error: 'NONE', baseOffset: 0 })
  })

  it('writes with acks=0, whether that is answered or not', async () => {
    const { client } = stage
    const name = fresh('unacked')
    await client.createTopic(name)
    await client.node.request(Produce, produceRequest(name, 0, batch(['a']), 0))
    await eventually(async () => expect((await client.fetch(name, [0]))[0].values).toEqual(['a']))
  })

  it.each([2, -2])('refuses acks=%i', async acks => {
    const name = fresh('badly-acked')
    await stage.client.createTopic(name)
    expect(await stage.client.produce(name, 0, batch(['a']), acks)).toMatchObject({ error: 'INVALID_REQUIRED_ACKS', baseOffset: -1 })
    expect(await stage.client.listOffset(name, 0, -1)).toMatchObject({ offset: 0 })
  })

  it('answers each partition on its own', async () => {
    const { client } = stage
    const [known, missing] = [fresh('known'), fresh('missing')]
    await client.createTopic(known, 2)
    const { responses } = await client.node.request(Produce, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [
        {
          name: known,
          partitionData: [
            { index: 0, records: batch(['a']) },
            { index: 7, records: batch(['b']) },
            { index: 1, records: damaged(batch(['c'])) }
          ]
        },
        { name: missing, partitionData: [{ index: 0, records: batch(['d']) }] }
      ]
    })
    const answers = responses.flatMap(({ name, partitionResponses }) =>
      partitionResponses.map(({ index, ...answer }) => [name, index, withError(answer).error])
    )
    expect(answers).toHaveLength(4)
    expect(answers).toEqual(
      expect.arrayContaining([
        [known, 0, 'NONE'],
        [known, 7, 'UNKNOWN_TOPIC_OR_PARTITION'],
        [known, 1, 'CORRUPT_MESSAGE'],
        [missing, 0, 'UNKNOWN_TOPIC_OR_PARTITION']
      ])
    )
  })

  it('refuses a batch that is larger than the topic takes, compressed as it is', async () => {
    const { client } = stage
    const name = fresh('small')
    await client.createTopic(name, 1, { 'max.message.bytes': '500' })
    expect(await client.produce(name, 0, batch(['x'.repeat(500)]))).toMatchObject({ error: 'MESSAGE_TOO_LARGE' })
    expect(await client.produce(name, 0, batch(['x'.repeat(500)], Date.now(), 'gzip'))).toMatchObject({ error: 'NONE', baseOffset: 0 })
  })

  it('refuses a batch whose checksum does not fit', async () => {
    const name = fresh('damaged')
    await stage.client.createTopic(name)
    expect(await stage.client.produce(name, 0, damaged(batch(['abc'])))).toMatchObject({ error: 'CORRUPT_MESSAGE', baseOffset: -1 })
    expect(await stage.client.listOffset(name, 0, -1)).toMatchObject({ offset: 0 })
  })

  it.each<[string, () => Uint8Array]>([
    ['no batch', () => new Uint8Array(0)],
    ['two batches', () => joined(batch(['a']), batch(['b']))],
    ['a batch that does not start at offset 0', () => stamped({ baseOffset: 3 })],
    ['a control batch', () => stamped({ control: true })],
    ['fewer records than the header says', () => altered(batch(['a', 'b']), field.recordCount, 3)],
    ['more offsets than records', () => stamped({ lastOffsetDelta: 5 })],
    ['a producer id without a sequence number', () => stamped({ producerId: 5, producerEpoch: 0 })]
  ])('refuses %s', async (_, records) => {
    const name = fresh('refused')
    await stage.client.createTopic(name)
    expect(await stage.client.produce(name, 0, records())).toMatchObject({ error: 'INVALID_RECORD', baseOffset: -1 })
    expect(await stage.client.listOffset(name, 0, -1)).toMatchObject({ offset: 0 })
  })

  it('refuses an older format of batches', async () => {
    const name = fresh('old')
    await stage.client.createTopic(name)
    const old = batch(['a'])
    old[field.magic] = 1
    expect(['INVALID_RECORD', 'CORRUPT_MESSAGE']).toContain((await stage.client.produce(name, 0, old)).error)
  })

  it('refuses timestamps too far in the future, and says which records have them', async () => {
    const { client } = stage
    const name = fresh('future')
    await client.createTopic(name)
    const now = Date.now()
    const timestamps = [now, now + 2 * hour, now, now + 3 * hour]
    const records = batchOf(timestamps.map(timestamp => ({ value: 'v', timestamp })))
    const answer = await client.produce(name, 0, records)
    expect(answer).toMatchObject({ error: 'INVALID_TIMESTAMP', baseOffset: -1 })
    expect(answer.recordErrors?.map(({ batchIndex }) => batchIndex)).toEqual([1, 3])
  })

  it('takes timestamps too far in the past only as far as the topic allows', async () => {
    const { client } = stage
    const [strict, lax] = [fresh('strict'), fresh('lax')]
    await client.createTopic(strict, 1, { 'message.timestamp.before.max.ms': '1000' })
    await client.createTopic(lax)
    const old = batch(['v'], Date.now() - 5 * hour)
    expect(await client.produce(strict, 0, old)).toMatchObject({ error: 'INVALID_TIMESTAMP' })
    expect(await client.produce(lax, 0, old)).toMatchObject({ error: 'NONE' })
  })

  it('leaves it to the log to say when a record was appended', async () => {
    const [stamping, keeping] = [fresh('stamping'), fresh('keeping')]
    await stage.client.createTopic(stamping, 1, { 'message.timestamp.type': 'LogAppendTime' })
    await stage.client.createTopic(keeping)
    const claiming = stamped({ logAppendTime: Date.now() })
    expect(await stage.client.produce(stamping, 0, claiming)).toMatchObject({ error: 'INVALID_TIMESTAMP' })
    expect(await stage.client.produce(keeping, 0, claiming)).toMatchObject({ error: 'NONE' })
  })

  it.each(codecs)('stamps batches in %s of a topic with LogAppendTime, and their checksum still fits', async codec => {
    const { client } = stage
    const name = fresh('stamped')
    await client.createTopic(name, 1, { 'message.timestamp.type': 'LogAppendTime' })
    const before = Date.now()
    const answer = await client.produce(name, 0, batch(['a', 'b'], 1000, codec))
    expect(answer).toMatchObject({ error: 'NONE', baseOffset: 0 })
    expect(answer.logAppendTimeMs).toBeGreaterThanOrEqual(before)
    const [kept] = batchesOf((await client.fetch(name, [0]))[0].records)
    kept.verify()
    expect(kept).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: answer.logAppendTimeMs, compression: codec })
    expect([...kept.records()].map(({ timestamp }) => timestamp)).toEqual([answer.logAppendTimeMs, answer.logAppendTimeMs])
  })

  it.each([
    ['gzip', 'none', 'gzip'],
    ['uncompressed', 'lz4', 'none'],
    ['lz4', 'gzip', 'lz4'],
    ['producer', 'snappy', 'snappy']
  ] as const)('keeps a topic with compression.type %s, sent %s, in %s', async (configured, sent, kept) => {
    const { client } = stage
    const name = fresh('compressed')
    await client.createTopic(name, 1, { 'compression.type': configured })
    expect(await client.produce(name, 0, batch(['a', 'b', 'c'], Date.now(), sent))).toMatchObject({ error: 'NONE', baseOffset: 0 })
    const [fetched] = await client.fetch(name, [0])
    expect(fetched.values).toEqual(['a', 'b', 'c'])
    const [stored] = batchesOf(fetched.records)
    stored.verify()
    expect(stored.compression).toBe(kept)
  })

  it('refuses to write the topics that the cluster keeps for itself', async () => {
    expect(await stage.client.produce('__consumer_offsets', 0, batch(['a']))).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION' })
  })
}

function damaged(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[copy.length - 2] ^= 0xff
  return copy
}

function stamped(options: RecordBatchOptions): Uint8Array {
  return RecordBatch.of([{ value: 'a', timestamp: Date.now() }], options).bytes
}

/** A batch with another number in its header, and a checksum that fits. */
function altered(bytes: Uint8Array, position: number, value: number): Uint8Array {
  const copy = bytes.slice()
  writeInt32(copy, position, value)
  writeInt32(copy, field.crc, crc32c(copy, field.attributes))
  return copy
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]))
}
