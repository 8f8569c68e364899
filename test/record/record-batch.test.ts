import { describe, expect, it } from 'vitest'
import { textBytes } from '../../src/common/bytes.js'
import { crc32c } from '../../src/common/crc32c.js'
import { field } from '../../src/record/batch-header.js'
import { controlTypeOf, coordinatorEpochOf, transactionMarkerBatch } from '../../src/record/control-record.js'
import { batchesIn, RecordBatch } from '../../src/record/record-batch.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

/** Made by Kafka's own code. */
const golden = {
  plain:
    '000000000000000000000055ffffffff02e58cf1ff00000000000100000000000454c300000000000454c3ffffffffffffffffffffffffffff0000000220000000086b6579310c76616c756531002400e1bf2202086b6579320c76616c75653200',
  lz4:
    '000000000000000000000064ffffffff02a3ac2aa200030000000100000000000454c300000000000454c3ffffffffffffffffffffffffffff000000' +
    '0204224d186040822400008020000000086b6579310c76616c756531002400e1bf2202086b6579320c76616c7565320000000000',
  marker:
    '0000000000000007000000420000000302c2ff330500300000000000000000000003e800000000000003e8000000000000002a0005ffffffff000000012000000008000000010c00000000000900',
  transactional:
    '0000000000000007000000400000000302228de4c000100000000000000000000003e800000000000003e8000000000000002a00050000000b000000011c000000026b010402680201026e01'
}

const twoRecords = [
  { timestamp: 283843, key: 'key1', value: 'value1' },
  { timestamp: 1234, key: 'key2', value: 'value2' }
]
const twoDecoded = twoRecords.map(({ timestamp, key, value }, offset) => ({
  offset,
  timestamp,
  key: textBytes(key),
  value: textBytes(value),
  headers: []
}))

describe('a batch, to the byte as Kafka writes it', () => {
  it('plain: is written', () => {
    expect(hex(RecordBatch.of(twoRecords).bytes)).toBe(golden.plain)
  })

  it('plain: is read', () => {
    const batch = new RecordBatch(unhex(golden.plain))
    batch.verify()
    expect(batch.crc).toBe(3851219455)
    expect(batch).toMatchObject({
      sizeInBytes: 97,
      baseOffset: 0,
      lastOffset: 1,
      leaderEpoch: -1,
      compression: 'none',
      timestampType: 'CreateTime',
      isTransactional: false,
      isControl: false,
      deleteHorizon: undefined,
      baseTimestamp: 283843,
      maxTimestamp: 283843,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      lastSequence: -1,
      recordCount: 2
    })
    expect([...batch.records()]).toEqual(twoDecoded)
  })

  it('lz4: is written', () => {
    expect(hex(RecordBatch.of(twoRecords, { compression: 'lz4' }).bytes)).toBe(golden.lz4)
  })

  it('lz4: is read', () => {
    const batch = new RecordBatch(unhex(golden.lz4))
    batch.verify()
    expect(batch.crc).toBe(2745969314)
    expect(batch.compression).toBe('lz4')
    expect([...batch.records()]).toEqual(twoDecoded)
  })

  it('a transactional batch with a tombstone and headers: is written and read', () => {
    const stamp = { baseOffset: 7, leaderEpoch: 3, producerId: 42, producerEpoch: 5, baseSequence: 11, transactional: true }
    const headers = [
      { key: 'h', value: new Uint8Array([1]) },
      { key: 'n', value: null }
    ]
    expect(hex(RecordBatch.of([{ timestamp: 1000, key: 'k', value: null, headers }], stamp).bytes)).toBe(golden.transactional)
    const batch = new RecordBatch(unhex(golden.transactional))
    batch.verify()
    expect(batch).toMatchObject({
      baseOffset: 7,
      leaderEpoch: 3,
      producerId: 42,
      producerEpoch: 5,
      baseSequence: 11,
      isTransactional: true
    })
    expect([...batch.records()]).toEqual([{ offset: 7, timestamp: 1000, key: textBytes('k'), value: null, headers }])
  })

  it('a commit marker: is written and read', () => {
    const marker = { type: 'COMMIT', producerId: 42, producerEpoch: 5, coordinatorEpoch: 9, timestamp: 1000, leaderEpoch: 3 } as const
    const written = transactionMarkerBatch(marker)
    written[field.baseOffset + 7] = 7
    expect(hex(written)).toBe(golden.marker)
    const batch = new RecordBatch(unhex(golden.marker))
    batch.verify()
    expect(batch.isControl).toBe(true)
    const [record] = batch.records()
    expect(controlTypeOf(record.key)).toBe('COMMIT')
    expect(coordinatorEpochOf(record.value)).toBe(9)
  })
})

describe('a record batch', () => {
  it('keeps offsets that are not dense', () => {
    const batch = RecordBatch.of([{ offset: 10, value: 'a' }, { offset: 13, value: 'b' }, { value: 'c' }], { lastOffsetDelta: 9 })
    expect([...batch.records()].map(({ offset }) => offset)).toEqual([10, 13, 14])
    expect(batch).toMatchObject({ baseOffset: 10, lastOffset: 19, nextOffset: 20 })
  })

  it('can be empty, as compaction leaves it', () => {
    const batch = RecordBatch.of([], { baseOffset: 5, lastOffsetDelta: 3, compression: 'gzip' })
    batch.verify()
    expect(batch).toMatchObject({ sizeInBytes: 61, recordCount: 0, lastOffset: 8, baseTimestamp: -1 })
    expect([...batch.records()]).toEqual([])
  })

  it('gives every record the time of the append when the log stamped it', () => {
    const batch = RecordBatch.of(twoRecords, { logAppendTime: 5000 })
    expect(batch).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: 5000 })
    expect([...batch.records()].map(({ timestamp }) => timestamp)).toEqual([5000, 5000])
  })

  it('counts sequence numbers past 2^31 - 1 from 0', () => {
    const batch = RecordBatch.of(twoRecords, { producerId: 1, producerEpoch: 0, baseSequence: 2 ** 31 - 1 })
    expect(batch.lastSequence).toBe(0)
  })

  it('notices a changed byte', () => {
    const bytes = unhex(golden.plain)
    bytes[70] ^= 1
    expect(() => new RecordBatch(bytes).verify()).toThrow(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
  })

  it('reads as a view of larger bytes, and several stand back to back with a torn one at the end', () => {
    const one = unhex(golden.plain)
    const several = new Uint8Array(one.length * 2 + 70)
    several.set(one)
    several.set(one, one.length)
    several.set(one.subarray(0, 70), 2 * one.length)
    const batches = [...batchesIn(several)]
    expect(batches.map(({ bytes }) => bytes)).toEqual([one, one])
    expect([...batches[1].records()]).toEqual(twoDecoded)
    expect(crc32c(several, one.length + field.attributes, 2 * one.length)).toBe(batches[1].crc)
  })
})
