import { describe, expect, it } from 'vitest'
import { writeInt32 } from '../../src/common/bytes.js'
import { crc32c } from '../../src/common/crc32c.js'
import { randomInteger, seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import { BatchBuilder } from '../../src/record/batch-builder.js'
import { batchSizeAt, field, headerBytes } from '../../src/record/batch-header.js'
import type { CompressionType } from '../../src/record/compression/codec.js'
import { RecordBatch, type RecordBatchOptions } from '../../src/record/record-batch.js'
import { RecordCursor, type RecordCursorOptions } from '../../src/record/record-cursor.js'

const types: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4']
const records = [
  { timestamp: 1000, key: 'user-1', value: 'hello', headers: [{ key: 'trace', value: 'abc' }] },
  { timestamp: 1005, key: null, value: new Uint8Array([1, 2, 3]) },
  {
    timestamp: 990,
    key: 'user-2',
    value: null,
    headers: [
      { key: '', value: null },
      { key: 'héad', value: '' }
    ]
  },
  { timestamp: 2 ** 40, key: '', value: 'x'.repeat(90) }
]
const sample = (options?: RecordBatchOptions) => RecordBatch.of(records, options).bytes.slice()

/** Walks to the end and looks at everything on the way. */
function walk(bytes: Uint8Array, options?: RecordCursorOptions) {
  const cursor = new RecordCursor(options)
  cursor.reset(bytes, 0)
  const seen = []
  while (cursor.next()) seen.push(cursor.record())
  return seen
}

function expectKafkaError(attempt: () => unknown, code?: KafkaError['code']): void {
  try {
    attempt()
  } catch (error) {
    if (error instanceof KafkaError && (code ? error.code === code : ['CORRUPT_MESSAGE', 'INVALID_RECORD'].includes(error.code))) return
    throw error
  }
  expect.fail('Expected a KafkaError')
}

/** The batch of one record with this body, whose length is written before it. */
function batchOfBody(...body: number[]): Uint8Array {
  return batchOfRecords([2 * body.length, ...body])
}

function batchOfRecords(content: number[], count = 1, lastOffsetDelta = count - 1): Uint8Array {
  const bytes = new Uint8Array([...RecordBatch.of([], { lastOffsetDelta }).bytes, ...content])
  writeInt32(bytes, field.batchLength, bytes.length - 12)
  writeInt32(bytes, field.recordCount, count)
  return bytes
}

describe('a record cursor', () => {
  it('shows each record as positions, without objects', () => {
    const bytes = new Uint8Array(500)
    bytes.set(sample(), 50)
    const cursor = new RecordCursor()
    cursor.reset(bytes, 50)
    expect(cursor.bytes).toBe(bytes)
    expect(cursor.next()).toBe(true)
    expect(cursor).toMatchObject({ offset: 0, timestamp: 1000, keyLength: 6, valueLength: 5, headerCount: 1 })
    expect(Buffer.from(bytes).toString('utf8', cursor.valueStart, cursor.valueStart + cursor.valueLength)).toBe('hello')
    expect(cursor.key()).toEqual(new Uint8Array(Buffer.from('user-1')))
    expect(cursor.headers()).toEqual([{ key: 'trace', value: new Uint8Array(Buffer.from('abc')) }])
    expect(cursor.next()).toBe(true)
    expect(cursor).toMatchObject({ offset: 1, timestamp: 1005, keyLength: -1, valueLength: 3, headerCount: 0 })
    expect(cursor.key()).toBeNull()
    expect(cursor.headers()).toEqual([])
    expect(cursor.next()).toBe(true)
    expect(cursor.value()).toBeNull()
    expect(cursor.headers()).toEqual([
      { key: '', value: null },
      { key: 'héad', value: new Uint8Array(0) }
    ])
    expect(cursor.next()).toBe(true)
    expect(cursor).toMatchObject({ offset: 3, timestamp: 2 ** 40, keyLength: 0, valueLength: 90 })
    expect(cursor.next()).toBe(false)
    expect(cursor.next()).toBe(false)
  })

  it.each(types)('reads the same from a batch with compression %s', compression => {
    expect(walk(sample({ compression }))).toEqual(walk(sample()))
  })

  it('does not disturb another cursor on compressed batches', () => {
    const [one, two] = [new RecordCursor(), new RecordCursor()]
    one.reset(sample({ compression: 'lz4' }), 0)
    one.next()
    const value = one.value()
    two.reset(RecordBatch.of([{ value: 'z'.repeat(300) }], { compression: 'lz4' }).bytes, 0)
    two.next()
    expect(value).toEqual(new Uint8Array(Buffer.from('hello')))
    expect(one.next()).toBe(true)
    expect(one.valueLength).toBe(3)
  })

  it('can be reset after an error, and in the middle of a batch', () => {
    const cursor = new RecordCursor()
    expectKafkaError(() => cursor.reset(new Uint8Array(10), 0), 'CORRUPT_MESSAGE')
    expect(cursor.next()).toBe(false)
    cursor.reset(sample({ compression: 'gzip' }), 0)
    cursor.next()
    cursor.reset(sample(), 0)
    expect(cursor.next()).toBe(true)
    expect(cursor.offset).toBe(0)
  })

  it.each(types)('goes back to the first record of a batch in %s', compression => {
    const cursor = new RecordCursor()
    cursor.reset(sample({ compression }), 0)
    while (cursor.next());
    for (const steps of [1, 3, records.length]) {
      cursor.rewind()
      for (let i = 0; i < steps; i++) {
        expect(cursor.next()).toBe(true)
        expect([cursor.offset, cursor.timestamp]).toEqual([i, records[i].timestamp])
      }
    }
    expect(cursor.next()).toBe(false)
  })

  it.each(['gzip', 'snappy', 'lz4'] as const)('refuses a batch that %s would expand beyond the limit', compression => {
    const bytes = RecordBatch.of([{ value: new Uint8Array(200_000) }], { compression }).bytes
    expect(bytes.length).toBeLessThan(15_000)
    expectKafkaError(() => walk(bytes, { maxDecompressedBytes: 100_000 }), 'INVALID_RECORD')
    expect(walk(bytes, { maxDecompressedBytes: 201_000 })).toHaveLength(1)
  })

  it('says which codec is missing', () => {
    const bytes = sample()
    bytes[field.attributes + 1] = 6
    expectKafkaError(() => walk(bytes), 'UNSUPPORTED_COMPRESSION_TYPE')
  })

  it.each([0, -1, 1.5, 2 ** 31])('does not take %d for a limit', maxDecompressedBytes => {
    expect(() => new RecordCursor({ maxDecompressedBytes })).toThrow(TypeError)
  })
})

describe('a batch that is no batch', () => {
  it.each(['shorter than a header', 'without its last byte'])('%s is CORRUPT_MESSAGE', how => {
    const bytes = sample()
    expectKafkaError(() => walk(bytes.subarray(0, how === 'shorter than a header' ? headerBytes - 1 : bytes.length - 1)), 'CORRUPT_MESSAGE')
  })

  it.each([
    ['smaller than a header', field.batchLength, [0, 0, 0, 48]],
    ['of a negative size', field.batchLength, [0xff, 0xff, 0xff, 0x9c]],
    ['of the old magic 1', field.magic, [1]],
    ['of a negative base offset', field.baseOffset, [0x80]],
    ['of a base offset beyond 2^53', field.baseOffset, [1]],
    ['of a negative last offset delta', field.lastOffsetDelta, [0xff]]
  ])('%s is CORRUPT_MESSAGE', (_, position, change) => {
    const bytes = sample()
    bytes.set(change, position)
    expectKafkaError(() => walk(bytes), 'CORRUPT_MESSAGE')
  })
})

describe('records that are no records', () => {
  const longest = [0xff, 0xff, 0xff, 0xff, 0x7f]

  it.each([
    ['more counted than there are', batchOfRecords([12, 0, 0, 0, 1, 1, 0], 2)],
    ['fewer counted than there are', batchOfRecords([12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0], 1, 1)],
    ['two thousand million counted', batchOfRecords([12, 0, 0, 0, 1, 1, 0], 2 ** 31 - 1)],
    ['a negative count', batchOfRecords([12, 0, 0, 0, 1, 1, 0], -1, 5)],
    ['none counted, but bytes', batchOfRecords([12, 0, 0, 0, 1, 1, 0], 0, 5)],
    ['more counted than offsets', batchOfRecords([12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0], 2, 0)],
    ['a negative length', batchOfRecords([1, 0, 0, 0, 1, 1, 0])],
    ['a length past the end', batchOfRecords([14, 0, 0, 0, 1, 1, 0])],
    ['a length that is too long a varint', batchOfRecords([...longest, 0x80, 0, 0, 0, 1, 1, 0])],
    ['a body that ends too early', batchOfBody(0, 0, 0, 1, 1)],
    ['bytes after the headers', batchOfBody(0, 0, 0, 1, 1, 0, 0)],
    ['a negative offset delta', batchOfBody(0, 0, 1, 1, 1, 0)],
    ['an offset delta beyond the last', batchOfBody(0, 0, 2, 1, 1, 0)],
    ['a timestamp delta that never ends', batchOfBody(0, ...new Array(12).fill(0xff), 0, 1, 1, 0)],
    ['a timestamp beyond 2^53', batchOfBody(0, ...new Array(9).fill(0xff), 1, 0, 1, 1, 0)],
    ['a key length of -2', batchOfBody(0, 0, 0, 3, 1, 0)],
    ['a key past the end', batchOfBody(0, 0, 0, 100, 1, 0)],
    ['a value past the end', batchOfBody(0, 0, 0, 1, 4, 0)],
    ['a value of 2 GiB', batchOfBody(0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0)],
    ['a negative header count', batchOfBody(0, 0, 0, 1, 1, 1)],
    ['more headers than bytes', batchOfBody(0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f)],
    ['a header with a null key', batchOfBody(0, 0, 0, 1, 1, 2, 1, 1)],
    ['a header past the end', batchOfBody(0, 0, 0, 1, 1, 2, 8, 1)],
    ['a header value past the end', batchOfBody(0, 0, 0, 1, 1, 2, 0, 8)]
  ])('%s: INVALID_RECORD', (_, bytes) => {
    expectKafkaError(() => walk(bytes), 'INVALID_RECORD')
  })

  it('the smallest record there is: fine', () => {
    expect(walk(batchOfBody(0, 0, 0, 1, 1, 0))).toEqual([{ offset: 0, timestamp: -1, key: null, value: null, headers: [] }])
  })
})

describe('damage of any kind', () => {
  /** What happens with bytes whose checksum says that they are right. */
  const fix = (bytes: Uint8Array) => {
    if (bytes.length > field.attributes) writeInt32(bytes, field.crc, crc32c(bytes, field.attributes))
    return bytes
  }
  const survive = (bytes: Uint8Array) => {
    try {
      const batch = new RecordBatch(bytes)
      batch.verify()
      for (const record of batch.records({ maxDecompressedBytes: 1 << 20 }))
        if (!Number.isSafeInteger(record.offset + record.timestamp)) expect.fail()
    } catch (error) {
      const codes = ['CORRUPT_MESSAGE', 'INVALID_RECORD', 'UNSUPPORTED_COMPRESSION_TYPE']
      if (!(error instanceof KafkaError) || !codes.includes(error.code)) throw error
    }
  }

  it.each(types)('every byte changed, in each bit and to noise: a KafkaError or records (compression %s, seed 41)', compression => {
    const random = seededRandom(41)
    const bytes = sample({ compression })
    for (let i = 0; i < bytes.length; i++) {
      for (const change of [1, 2, 4, 8, 16, 32, 64, 128, 255, randomInteger(random, 256)]) {
        const changed = bytes.slice()
        changed[i] ^= change
        survive(i >= field.attributes ? fix(changed) : changed)
      }
    }
  })

  it.each(types)('cut at each length, with a header that agrees: a KafkaError (compression %s)', compression => {
    const bytes = sample({ compression })
    for (let size = 0; size < bytes.length; size++) {
      const cut = bytes.slice(0, size)
      expectKafkaError(() => walk(cut))
      if (size < headerBytes) continue
      writeInt32(cut, field.batchLength, size - 12)
      fix(cut)
      expectKafkaError(() => walk(cut))
    }
  })

  it('noise behind a good header: a KafkaError or records (seed 42)', () => {
    const random = seededRandom(42)
    for (let i = 0; i < 5000; i++) {
      const noise = Array.from({ length: randomInteger(random, 60) }, () => randomInteger(random, i % 2 ? 256 : 24))
      const bytes = batchOfRecords(noise, 1 + randomInteger(random, 4))
      bytes[field.attributes + 1] = randomInteger(random, 8)
      survive(fix(bytes))
    }
  })

  it('a lying size never reads into the next batch', () => {
    const builder = new BatchBuilder()
    builder.append(1, 'key', 'value')
    const one = builder.build().slice()
    const both = new Uint8Array([...one, ...one])
    both[headerBytes] += 2 * 20
    expectKafkaError(() => walk(both.subarray(0, batchSizeAt(both, 0) * 2)), 'INVALID_RECORD')
  })
})
