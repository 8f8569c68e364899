import { describe, expect, it } from 'vitest'
import { writeInt16, writeInt32, writeInt64 } from '../../../src/common/bytes.js'
import { crc32c } from '../../../src/common/crc32c.js'
import { KafkaError } from '../../../src/errors.js'
import { RecordValidationError } from '../../../src/log/append/batch-validation.js'
import { BatchBuilder } from '../../../src/record/batch-builder.js'
import { field } from '../../../src/record/batch-header.js'
import { transactionMarkerBatch } from '../../../src/record/control-record.js'
import { batchesIn, RecordBatch } from '../../../src/record/record-batch.js'
import { batch, batchAt, batchOf, codeOf, noon, openLog, readRecords, readValues } from '../helpers.js'

/** The batch after `change`, with a checksum that fits again. */
function forged(bytes: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array {
  change(bytes)
  writeInt32(bytes, field.crc, crc32c(bytes, field.attributes))
  return bytes
}

function recordErrorsOf(append: () => unknown): { code: string; errors: readonly (readonly [number, string])[] } {
  try {
    append()
  } catch (error) {
    if (error instanceof RecordValidationError) {
      return { code: error.code, errors: error.recordErrors.map(({ batchIndex, message }) => [batchIndex, message]) }
    }
    throw error
  }
  throw new Error('Expected the append to fail')
}

describe('an append', () => {
  it('gives records the next offsets and tells where they went', async () => {
    const log = await openLog()
    expect(log.append(batch('a', 'b', 'c'))).toEqual({ baseOffset: 0, lastOffset: 2, logAppendTime: -1, logStartOffset: 0 })
    expect(log.append(batch('d'))).toEqual({ baseOffset: 3, lastOffset: 3, logAppendTime: -1, logStartOffset: 0 })
    expect(log.logEndOffset).toBe(4)
    expect(await readValues(log)).toEqual(['0:a', '1:b', '2:c', '3:d'])
  })

  it('moves the high watermark along, unless the owner does', async () => {
    const alone = await openLog()
    alone.append(batch('a', 'b'))
    expect(alone.highWatermark).toBe(2)
    expect(alone.lastStableOffset).toBe(2)

    const owned = await openLog({ autoHighWatermark: false })
    owned.append(batch('a', 'b'))
    expect(owned.highWatermark).toBe(0)
    expect(owned.advanceHighWatermark(1)).toBe(true)
    expect(owned.advanceHighWatermark(1)).toBe(false)
    expect(owned.advanceHighWatermark(99)).toBe(true)
    expect(owned.highWatermark).toBe(2)
  })

  it('stamps leader epoch and offset, and keeps the checksum', async () => {
    const log = await openLog()
    const bytes = batch('a')
    const { crc } = new RecordBatch(bytes)
    log.append(batch('z'))
    log.append(bytes, { leaderEpoch: 7 })
    const [, stored] = batchesIn(await log.read(0, 1000))
    expect([stored.baseOffset, stored.leaderEpoch, stored.crc]).toEqual([1, 7, crc])
    stored.verify()
  })

  it('leaves the bytes it was lent as they were, so that they can be sent again', async () => {
    for (const options of [{}, { messageTimestampType: 'LogAppendTime' }] as const) {
      const log = await openLog(options)
      const bytes = batch('a', 'b')
      const before = bytes.slice()
      log.append(bytes, { leaderEpoch: 7 })
      expect(bytes).toEqual(before)
      log.append(bytes, { leaderEpoch: 7 })
      expect(await readValues(log)).toEqual(['0:a', '1:b', '2:a', '3:b'])
    }
  })

  it('keeps compressed batches as they are', async () => {
    const log = await openLog()
    const bytes = batchOf([{ value: 'a'.repeat(1000) }, { value: 'b' }], { compression: 'gzip' })
    log.append(bytes)
    const [stored] = batchesIn(await log.read(0, 10_000))
    expect(stored.bytes.slice(17)).toEqual(bytes.slice(17))
    expect((await readRecords(log)).length).toBe(2)
  })

  it('never gives an offset that a number cannot hold', async () => {
    const log = await openLog()
    await log.truncateFullyAndStartAt(Number.MAX_SAFE_INTEGER - 2)
    log.append(batch('a', 'b'))
    expect(await codeOf(() => log.append(batch('c')))).toBe('OFFSET_OUT_OF_RANGE')
    expect(log.logEndOffset).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('is refused after close', async () => {
    const log = await openLog()
    await log.close()
    await log.close()
    expect(await codeOf(() => log.append(batch('a')))).toBe('CLOSED')
    expect(await codeOf(() => log.read(0, 10))).toBe('CLOSED')
    expect(await codeOf(() => log.truncateTo(0))).toBe('CLOSED')
  })
})

describe('an append refuses', () => {
  const cases: [name: string, bytes: () => Uint8Array, code: string, options?: Parameters<typeof openLog>[0]][] = [
    ['nothing', () => new Uint8Array(0), 'INVALID_RECORD'],
    ['a piece of a batch', () => batch('a').slice(0, 65), 'INVALID_RECORD'],
    ['two batches', () => Uint8Array.from([...batch('a'), ...batch('b')]), 'INVALID_RECORD'],
    ['another magic', () => forged(batch('a'), bytes => void (bytes[field.magic] = 1)), 'INVALID_RECORD'],
    ['a size below the header', () => forged(batch('a'), bytes => writeInt32(bytes, field.batchLength, 5)), 'CORRUPT_MESSAGE'],
    ['a base offset other than 0', () => batchOf([{ value: 'a' }], { baseOffset: 5 }), 'INVALID_RECORD'],
    ['a batch that is too large', () => batch('a'.repeat(200)), 'MESSAGE_TOO_LARGE', { maxMessageBytes: 200 }],
    ['a batch larger than a segment', () => batch('a'.repeat(200)), 'RECORD_LIST_TOO_LARGE', { segmentBytes: 200 }],
    ['a wrong checksum', () => batch('a').fill(0, 65), 'CORRUPT_MESSAGE'],
    ['no records', () => forged(batch('a'), bytes => writeInt32(bytes, field.recordCount, 0)), 'INVALID_RECORD'],
    [
      'a count that does not fit the offsets',
      () => forged(batch('a'), bytes => writeInt32(bytes, field.lastOffsetDelta, 3)),
      'INVALID_RECORD'
    ],
    ['a count that does not fit the records', () => forged(batch('a'), twoRecords), 'INVALID_RECORD'],
    ['bytes after the last record', () => forged(Uint8Array.from([...batch('a'), 0]), longer), 'INVALID_RECORD'],
    ['control records', controlBatch, 'INVALID_RECORD'],
    ['a producer without a sequence number', () => batchOf([{ value: 'a' }], { producerId: 5, producerEpoch: 0 }), 'INVALID_RECORD'],
    ['an unknown codec', () => forged(batch('a'), bytes => writeInt16(bytes, field.attributes, 6)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['damaged compressed data', () => forged(batch('a'), bytes => writeInt16(bytes, field.attributes, 1)), 'CORRUPT_MESSAGE']
  ]
  for (const [name, bytes, code, options] of cases) {
    it(`${name}, and writes nothing`, async () => {
      const log = await openLog(options)
      expect(await codeOf(() => log.append(bytes()))).toBe(code)
      expect([log.logEndOffset, log.sizeInBytes]).toEqual([0, 0])
    })
  }

  function twoRecords(bytes: Uint8Array): void {
    writeInt32(bytes, field.recordCount, 2)
    writeInt32(bytes, field.lastOffsetDelta, 1)
  }

  function longer(bytes: Uint8Array): void {
    writeInt32(bytes, field.batchLength, bytes.length - 12)
  }

  function controlBatch(): Uint8Array {
    return transactionMarkerBatch({ type: 'COMMIT', producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, timestamp: noon })
  }

  it('records without a key in a compacted log, saying which', async () => {
    const log = await openLog({ cleanupPolicy: 'compact' })
    const append = () => log.append(batchOf([{ key: 'k', value: 'a' }, { value: 'b' }, { key: '', value: 'c' }, { value: 'd' }]))
    const message = 'A compacted topic cannot take a record without a key'
    expect(recordErrorsOf(append)).toEqual({
      code: 'INVALID_RECORD',
      errors: [
        [1, message],
        [3, message]
      ]
    })
    log.append(batchOf([{ key: 'k', value: null }]))
    expect(log.logEndOffset).toBe(1)
  })

  it('timestamps outside the window, saying which', async () => {
    const log = await openLog({ messageTimestampBeforeMaxMs: 1000, messageTimestampAfterMaxMs: 500 })
    log.append(batchOf([{ timestamp: noon - 1000 }, { timestamp: noon + 500 }, { timestamp: -1 }]))
    const append = (timestamp: number) => () => log.append(batchOf([{ timestamp: noon }, { timestamp }]))
    expect(recordErrorsOf(append(noon - 1001))).toMatchObject({
      code: 'INVALID_TIMESTAMP',
      errors: [[1, expect.stringContaining('out of range')]]
    })
    expect(recordErrorsOf(append(noon + 501))).toMatchObject({ code: 'INVALID_TIMESTAMP', errors: [[1, expect.any(String)]] })
  })

  it('timestamps more than an hour ahead, but none of the past, unless told otherwise', async () => {
    const log = await openLog()
    log.append(batchAt(0, 'ancient'))
    log.append(batchAt(noon + 3_600_000, 'soon'))
    expect(recordErrorsOf(() => log.append(batchAt(noon + 3_600_001, 'late'))).code).toBe('INVALID_TIMESTAMP')
    log.configure({ messageTimestampAfterMaxMs: -1 })
    log.append(batchAt(noon * 2, 'any'))
  })

  it('what it does not know how to compress', async () => {
    const log = await openLog({ compressionType: 'zstd' })
    const code = await codeOf(() => log.append(batch('a')))
    expect([undefined, 'UNSUPPORTED_COMPRESSION_TYPE']).toContain(code)
  })
})

describe('an append rewrites', () => {
  it('the claim of a producer that the time is that of the append, as Kafka does', async () => {
    const log = await openLog()
    log.append(batchOf([{ value: 'a' }, { value: 'b' }], { logAppendTime: noon }))
    const [stored] = batchesIn(await log.read(0, 1000))
    expect(stored.timestampType).toBe('CreateTime')
    expect(stored.maxTimestamp).toBe(noon)
    stored.verify()
  })

  it('the time of all records where the log stamps it, with a new checksum', async () => {
    const log = await openLog({ messageTimestampType: 'LogAppendTime' })
    const info = log.append(batchAt(5, 'a', 'b'))
    expect(info).toMatchObject({ logAppendTime: noon })
    const [stored] = batchesIn(await log.read(0, 1000))
    stored.verify()
    expect(stored.timestampType).toBe('LogAppendTime')
    expect([...stored.records()].map(({ timestamp }) => timestamp)).toEqual([noon, noon])
  })

  it('a largest timestamp that does not fit the records, with a new checksum', async () => {
    const log = await openLog()
    log.append(forged(batchAt(noon, 'a'), bytes => writeInt64(bytes, field.maxTimestamp, noon + 999)))
    const [stored] = batchesIn(await log.read(0, 1000))
    stored.verify()
    expect(stored.maxTimestamp).toBe(noon)
  })

  it('batches that come in another compression than the log keeps', async () => {
    const fields = { producerId: 9, producerEpoch: 2, baseSequence: 40 }
    const records = [
      { key: 'k', value: 'a'.repeat(500), timestamp: noon - 5, headers: [{ key: 'h', value: 'x' }] },
      { value: 'b', timestamp: noon }
    ]
    for (const [compressionType, compression] of [
      ['gzip', 'none'],
      ['uncompressed', 'gzip']
    ] as const) {
      const log = await openLog({ compressionType })
      log.append(batch('z'))
      log.append(batchOf(records, { ...fields, compression }), { leaderEpoch: 3 })
      const [, stored] = batchesIn(await log.read(0, 10_000))
      stored.verify()
      expect(stored.compression).toBe(compressionType === 'gzip' ? 'gzip' : 'none')
      expect([stored.baseOffset, stored.leaderEpoch, stored.maxTimestamp]).toEqual([1, 3, noon])
      expect([stored.producerId, stored.producerEpoch, stored.baseSequence]).toEqual([9, 2, 40])
      const [first] = stored.records()
      expect([first.timestamp, first.headers[0].key, first.value?.length]).toEqual([noon - 5, 'h', 500])
    }
  })

  it('compressed batches whose offsets do not follow each other', async () => {
    const log = await openLog()
    const builder = new BatchBuilder({ compression: 'gzip' })
    for (const [delta, value] of [
      [0, 'a'],
      [2, 'b'],
      [2, 'c']
    ] as const)
      builder.appendAt(delta, noon, null, value)
    log.append(builder.build())
    expect(await readValues(log)).toEqual(['0:a', '1:b', '2:c'])
  })

  it('not control batches, which the coordinator may write', async () => {
    const log = await openLog({ compressionType: 'gzip' })
    const bytes = transactionMarkerBatch({ type: 'COMMIT', producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, timestamp: noon })
    log.append(bytes, { origin: 'coordinator' })
    const [stored] = batchesIn(await log.read(0, 1000))
    expect([stored.isControl, stored.compression]).toEqual([true, 'none'])
  })
})

describe('the quick look at everyday records agrees with the thorough one', () => {
  it('on timestamps, whatever the first record has', async () => {
    for (const times of [[noon], [noon, noon - 3000, noon + 20], [noon, noon - 10, noon - 20], [noon, noon + 100_000]]) {
      const log = await openLog()
      log.append(batchOf(times.map(timestamp => ({ timestamp }))))
      const [stored] = batchesIn(await log.read(0, 1000))
      expect(stored.maxTimestamp).toBe(Math.max(...times))
      stored.verify()
    }
  })

  it('on timestamps that all lie before the one they are relative to', async () => {
    const log = await openLog()
    const relative = 63
    log.append(forged(batchAt(noon, 'a'), bytes => void (bytes[relative] = 9)))
    const [stored] = batchesIn(await log.read(0, 1000))
    expect(stored.maxTimestamp).toBe(noon - 5)
  })

  it('on every byte of a batch that is damaged under a checksum that fits', async () => {
    const original = batchOf([
      { key: 'key', value: 'x'.repeat(100), timestamp: noon },
      { value: 'b', timestamp: noon + 200 },
      { key: 'k', value: null }
    ])
    const log = await openLog()
    for (let position = 61; position < original.length; position++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const bytes = forged(original.slice(), changed => void (changed[position] = value))
        const accepted = (await codeOf(() => log.append(bytes.slice()))) === undefined
        const thorough = (() => {
          try {
            const offsets = [...new RecordBatch(bytes).records()].map(({ offset }) => offset)
            return offsets.length === 3
          } catch (error) {
            if (error instanceof KafkaError) return false
            throw error
          }
        })()
        const timely = thorough && [...new RecordBatch(bytes).records()].every(({ timestamp }) => timestamp <= noon + 3_600_000)
        expect([position, value, accepted]).toEqual([position, value, timely])
      }
    }
  })
})

describe('the batches of a replica', () => {
  const replicated = (baseOffset: number, ...values: string[]) =>
    batchOf(
      values.map(value => ({ value })),
      { baseOffset, leaderEpoch: 4 }
    )

  it('keep their offsets, gaps included, and may come several at a time', async () => {
    const log = await openLog()
    const bytes = Uint8Array.from([...replicated(10, 'a', 'b'), ...replicated(20, 'c'), ...replicated(21, 'd').slice(0, 30)])
    expect(await log.append(bytes, { origin: 'replica' })).toMatchObject({ baseOffset: 10, lastOffset: 20 })
    expect(log.logEndOffset).toBe(21)
    expect(await readValues(log, 0)).toEqual(['10:a', '11:b', '20:c'])
  })

  it('must not lie below the end of the log, nor be damaged', async () => {
    const log = await openLog()
    await log.append(replicated(10, 'a'), { origin: 'replica' })
    expect(await codeOf(() => log.append(replicated(10, 'a'), { origin: 'replica' }))).toBe('INVALID_RECORD')
    expect(await codeOf(() => log.append(replicated(11, 'a').fill(9, 65), { origin: 'replica' }))).toBe('CORRUPT_MESSAGE')
    expect(await codeOf(() => log.append(new Uint8Array(20), { origin: 'replica' }))).toBe('INVALID_RECORD')
    expect(log.logEndOffset).toBe(11)
  })

  it('get a segment of their own when their offset is too far from its base', async () => {
    const log = await openLog()
    await log.append(replicated(5, 'a'), { origin: 'replica' })
    await log.append(replicated(5 + 2 ** 31, 'b'), { origin: 'replica' })
    await log.append(replicated(2 ** 40, 'c'), { origin: 'replica' })
    expect(log.segmentCount).toBe(3)
    expect(await readValues(log, 0)).toEqual(['5:a', `${5 + 2 ** 31}:b`, `${2 ** 40}:c`])

    const empty = await openLog()
    await empty.append(replicated(2 ** 40, 'c'), { origin: 'replica' })
    expect(empty.segmentCount).toBe(1)
    expect(await readValues(empty)).toEqual([`${2 ** 40}:c`])
  })
})

describe('a batch that our own producer has just built', () => {
  it('leaves the same log as one that is looked at', async () => {
    const topics: Parameters<typeof openLog>[0][] = [
      {},
      { messageTimestampType: 'LogAppendTime' },
      { messageTimestampBeforeMaxMs: 1000 },
      { compressionType: 'uncompressed' },
      { compressionType: 'gzip' },
      { cleanupPolicy: 'compact' }
    ]
    for (const options of topics) {
      for (const compression of ['none', 'gzip'] as const) {
        const records = [
          { key: 'k', value: 'a', timestamp: noon - 5 },
          { key: 'l', value: 'b'.repeat(99), timestamp: noon },
          { key: 'm', value: null, timestamp: noon - 9 }
        ]
        const [looked, trusted] = [await openLog(options), await openLog(options)]
        looked.append(batchOf(records, { compression }))
        const info = trusted.append(batchOf(records, { compression }), { origin: 'producer' })
        expect(info).toMatchObject({ baseOffset: 0, lastOffset: 2 })
        expect(await trusted.read(0, 10_000)).toEqual(await looked.read(0, 10_000))
        expect(trusted.offsetForTimestamp(noon)).toEqual(looked.offsetForTimestamp(noon))
      }
    }
  })

  it('is refused for what its header shows, and looked at where the topic asks for more', async () => {
    const refusals: [bytes: Uint8Array, code: string, options: Parameters<typeof openLog>[0]][] = [
      [batch('a'.repeat(200)), 'MESSAGE_TOO_LARGE', { maxMessageBytes: 200 }],
      [batch('a'.repeat(200)), 'RECORD_LIST_TOO_LARGE', { segmentBytes: 200 }],
      [batchAt(noon + 2 * 3_600_000, 'a'), 'INVALID_TIMESTAMP', {}],
      [batchAt(noon - 2000, 'a'), 'INVALID_TIMESTAMP', { messageTimestampBeforeMaxMs: 1000 }],
      [batch('a'), 'INVALID_RECORD', { cleanupPolicy: 'compact' }]
    ]
    for (const [bytes, code, options] of refusals) {
      const log = await openLog(options)
      expect(await codeOf(() => log.append(bytes, { origin: 'producer' }))).toBe(code)
      expect([log.logEndOffset, log.sizeInBytes]).toEqual([0, 0])
    }
  })

  it('is known again when it comes twice', async () => {
    const log = await openLog()
    const stamp = { producerId: 5, producerEpoch: 0, baseSequence: 0 }
    const first = log.append(batchOf([{ value: 'a', timestamp: noon }], stamp), { origin: 'producer' })
    expect(log.append(batchOf([{ value: 'a', timestamp: noon }], stamp), { origin: 'producer' })).toEqual(first)
    expect(log.logEndOffset).toBe(1)
  })
})
