import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, textBytes } from '../../src/common/bytes.js'
import { seededRandom } from '../../src/common/random.js'
import { BatchBuilder } from '../../src/record/batch-builder.js'
import { headerBytes } from '../../src/record/batch-header.js'
import type { CompressionType } from '../../src/record/compression/codec.js'
import { codecOf } from '../../src/record/compression/codecs.js'
import type { Field, HeaderField, LogRecord } from '../../src/record/record.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { contents } from './samples.js'

interface Given {
  timestamp: number
  key: Field
  value: Field
  headers: HeaderField[]
}

const types: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4']

/** Texts whose UTF-8 is longer than they are, and lengths around those where a varint grows. */
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(20, 28, 29, 62, 63, 64, 65, 8191, 8192).chain(length => fc.constantFrom('a', 'é', '漢').map(unit => unit.repeat(length)))
)
const fieldValue: fc.Arbitrary<Field> = fc.oneof(
  fc.constant(null),
  text,
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(12, 13, 50, 56, 57, 58, 59, 8180, 8184).map(length => new Uint8Array(length).fill(9))
)
const given: fc.Arbitrary<Given> = fc.record({
  timestamp: fc.oneof(
    fc.constant(-1),
    fc.nat(),
    fc.integer({ min: 1_600_000_000_000, max: 1_600_000_100_000 }),
    fc.integer({ min: 0, max: 2 ** 50 })
  ),
  key: fieldValue,
  value: fieldValue,
  headers: fc.array(fc.record({ key: text, value: fieldValue }), { maxLength: 3 })
})

const bytesOf = (content: Field) => (typeof content === 'string' ? textBytes(content) : content)
const decoded = (records: Given[]): LogRecord[] =>
  records.map(({ timestamp, key, value, headers }, offset) => ({
    offset,
    timestamp,
    key: bytesOf(key),
    value: bytesOf(value),
    headers: headers.map(header => ({ key: textOf(header.key), value: bytesOf(header.value) }))
  }))
/** What a text reads as: a lone surrogate becomes U+FFFD. */
const textOf = (value: string) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(textBytes(value))

describe('a batch builder', () => {
  it.each(types)('builds what reads back as it was given (compression %s)', compression => {
    const builder = new BatchBuilder({ compression, initialBytes: 100 })
    fc.assert(
      fc.property(fc.array(given, { minLength: 1, maxLength: 12 }), records => {
        builder.reset()
        for (const { timestamp, key, value, headers } of records) {
          const before = builder.sizeInBytes
          builder.append(timestamp, key, value, headers)
          expect(builder.sizeInBytes - before).toBeLessThanOrEqual(BatchBuilder.sizeOf(key, value, headers))
        }
        expect(builder.recordCount).toBe(records.length)
        const batch = new RecordBatch(builder.build())
        batch.verify()
        expect(batch.maxTimestamp).toBe(Math.max(...records.map(({ timestamp }) => timestamp)))
        expect(batch.baseTimestamp).toBe(records[0].timestamp)
        if (compression === 'none') expect(batch.sizeInBytes).toBe(builder.sizeInBytes)
        expect([...batch.records()]).toEqual(decoded(records))
      }),
      { numRuns: 60 }
    )
  })

  it('encodes text that was gathered as it does record by record', () => {
    const ascii = fc.string({ maxLength: 40 })
    const length = fc.constantFrom(0, 1, 15, 16, 17, 63, 64, 100, 383, 384, 385, 8200)
    const texts = [fc.constant(null), ascii, length.map(size => 'x'.repeat(size))]
    const any = fc.oneof(...texts.map(arbitrary => ({ arbitrary, weight: 20 })), { arbitrary: text, weight: 1 })
    const record = (content: fc.Arbitrary<string | null>) =>
      fc.record({ key: content, value: content, delay: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, -300) })
    const run = (content: fc.Arbitrary<string | null>) => fc.array(record(content), { minLength: 1, maxLength: 200, size: 'max' })
    const [gathered, oneByOne] = [new BatchBuilder(), new BatchBuilder()]
    fc.assert(
      fc.property(fc.oneof(run(fc.oneof(...texts)), run(any)), fc.nat(5), (records, looks) => {
        gathered.reset()
        oneByOne.reset()
        let timestamp = 1_700_000_000_000
        for (const [index, { key, value, delay }] of records.entries()) {
          timestamp += delay
          gathered.append(timestamp, key, value)
          oneByOne.appendAt(index, timestamp, key, value)
          if (gathered.sizeAtMost < oneByOne.sizeInBytes) expect.unreachable('a batch is larger than it can be')
          if (looks > 0 && index % (17 * looks) === 0) expect(gathered.sizeInBytes).toBe(oneByOne.sizeInBytes)
        }
        expect(Buffer.compare(gathered.build(), oneByOne.build())).toBe(0)
      }),
      { numRuns: 300 }
    )
  })

  it('gathers texts whose surrogates would pair up if they stood together', () => {
    const builder = new BatchBuilder()
    for (let i = 0; i < 8; i++) builder.append(1, '\ud83d', '\ude00')
    const batch = new RecordBatch(builder.build())
    for (const { key, value } of batch.records()) expect([key, value]).toEqual([textBytes('\ufffd'), textBytes('\ufffd')])
  })

  it('lets offsets grow beyond what is encoded together', () => {
    const builder = new BatchBuilder()
    const all = 1_048_576 + 200
    for (let i = 0; i < all; i++) builder.append(1, 'k', 'v')
    let count = 0
    for (const { offset } of new RecordBatch(builder.build()).records()) if (offset === count) count++
    expect(count).toBe(all)
  })

  it('does not copy an uncompressed batch to build it', () => {
    const builder = new BatchBuilder({ initialBytes: 1000 })
    builder.append(1, 'key', 'value')
    const buffer = builder.build().buffer
    builder.reset()
    builder.append(2, 'key', 'value 2')
    expect(builder.build().buffer).toBe(buffer)
  })

  it('can be built, added to and built again', () => {
    const builder = new BatchBuilder()
    builder.append(1, null, 'one')
    expect(new RecordBatch(builder.build()).recordCount).toBe(1)
    builder.append(2, null, 'two')
    const batch = new RecordBatch(builder.build({ producerId: 3, producerEpoch: 0, baseSequence: 5 }))
    batch.verify()
    expect([...batch.records()].map(({ value }) => Buffer.from(value!).toString())).toEqual(['one', 'two'])
    expect(batch).toMatchObject({ producerId: 3, lastSequence: 6 })
  })

  it('starts empty, and is empty again after a reset', () => {
    const builder = new BatchBuilder({ compression: 'gzip' })
    const empty = builder.build().slice()
    expect(empty).toHaveLength(headerBytes)
    builder.append(5, 'a', 'b')
    builder.reset()
    expect(builder).toMatchObject({ recordCount: 0, sizeInBytes: headerBytes })
    expect(builder.build()).toEqual(empty)
  })

  it('keeps a builder of its own kind apart from another', () => {
    const [one, two] = [new BatchBuilder({ compression: 'lz4' }), new BatchBuilder({ compression: 'lz4' })]
    one.append(1, 'k', 'one'.repeat(50))
    two.append(1, 'k', 'two'.repeat(50))
    const first = one.build()
    const copy = first.slice()
    two.build()
    expect(first).toEqual(copy)
  })

  it('refuses a compression that does not exist when it is made', () => {
    expect(() => new BatchBuilder({ compression: 'brotli' as 'gzip' })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_COMPRESSION_TYPE' })
    )
  })
})

describe("kafkajs' decoder", () => {
  const require = createRequire(import.meta.url)
  const Decoder = require('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => { offset: number }
  const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder.js') as (
    decoder: object
  ) => Promise<{ records: KafkajsRecord[] }>
  const { Codecs } = require('kafkajs/src/protocol/message/compression/index.js') as { Codecs: { [id: number]: () => object } }
  const snappyjs = require('snappyjs') as { uncompress(bytes: Uint8Array): Uint8Array }

  interface KafkajsRecord {
    offset: string
    timestamp: string
    key: Buffer | null
    value: Buffer | null
    headers: { [key: string]: Buffer | null }
  }

  // kafkajs leaves snappy to its user; this is how its users plug it in.
  Codecs[2] = () => ({
    async decompress(framed: Buffer) {
      const chunks: Uint8Array[] = []
      for (let i = 16; i < framed.length; i += 4 + framed.readInt32BE(i))
        chunks.push(snappyjs.uncompress(framed.subarray(i + 4, i + 4 + framed.readInt32BE(i))))
      return Buffer.from(concatBytes(chunks))
    }
  })

  it.each(['none', 'gzip', 'snappy'] as const)('reads our batches (compression %s)', async compression => {
    await fc.assert(
      fc.asyncProperty(fc.array(given, { minLength: 1, maxLength: 20 }), async records => {
        // kafkajs keeps headers in a plain object: neither twice the same key nor one that objects have anyway, such as `valueOf`.
        const uniqueHeaders = records.map(record => ({
          ...record,
          headers: record.headers.slice(0, 1).map(({ key, value }) => ({ key: `h-${key}`, value }))
        }))
        const { bytes } = RecordBatch.of(uniqueHeaders, { compression, baseOffset: 100 })
        const theirs = (await decodeBatch(new Decoder(Buffer.from(bytes)))).records
        const ours = decoded(uniqueHeaders)
        expect(theirs.map(record => ({ ...fields(record) }))).toEqual(
          ours.map(({ offset, timestamp, key, value, headers }) => ({
            offset: String(100 + offset),
            timestamp: String(timestamp),
            key,
            value,
            headers: headers.map(header => [header.key, header.value])
          }))
        )
      }),
      { numRuns: 60 }
    )
  })

  it('reads our batches of many records, to 1 MiB', async () => {
    const random = seededRandom(51)
    for (const compression of ['none', 'gzip', 'snappy'] as const) {
      for (const [count, size] of [
        [1, 1024 * 1024],
        [1000, 100],
        [20_000, 30],
        [100, 10_000]
      ]) {
        const value = contents.text(size, random)
        const { bytes } = RecordBatch.of(
          Array.from({ length: count }, (_, i) => ({ timestamp: i, key: `key-${i}`, value })),
          { compression }
        )
        const theirs = (await decodeBatch(new Decoder(Buffer.from(bytes)))).records
        expect(theirs).toHaveLength(count)
        for (const [i, record] of theirs.entries()) {
          if (record.offset !== String(i) || record.key?.toString() !== `key-${i}` || !record.value?.equals(value))
            expect.fail(`Record ${i} differs`)
        }
      }
    }
  })

  function fields({ offset, timestamp, key, value, headers }: KafkajsRecord) {
    const plain = (buffer: Buffer | null) => buffer && new Uint8Array(buffer)
    return {
      offset,
      timestamp,
      key: plain(key),
      value: plain(value),
      headers: Object.entries(headers).map(([name, held]) => [name, plain(held)])
    }
  }
})

describe('the codecs', () => {
  it('go by name, and one that is absent is refused by name', () => {
    for (const type of types) if (type !== 'none') expect(codecOf(type).type).toBe(type)
    if ((process.versions.node.split('.')[0] ?? '') < '22') {
      expect(() => codecOf('zstd')).toThrow(
        expect.objectContaining({ code: 'UNSUPPORTED_COMPRESSION_TYPE', message: expect.stringContaining('zstd') })
      )
    }
  })
})

describe('the size of a batch', () => {
  it('can be asked for at any time, to the byte, and nothing is encoded for it', () => {
    const texts = fc.option(fc.string({ unit: 'binary', maxLength: 40 }), { nil: null })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** 40 }), texts, texts), { minLength: 1, maxLength: 20 }), records => {
        const asked = new BatchBuilder()
        const [unasked, measured] = [new BatchBuilder(), new BatchBuilder()]
        for (const [timestamp, key, value] of records) {
          asked.append(timestamp, key, value)
          unasked.append(timestamp, key, value)
          const { sizeAtMost, sizeInBytes } = asked
          expect(asked.sizeAtMost, 'the bound is as before').toBe(sizeAtMost)
          expect(sizeInBytes).toBeLessThanOrEqual(sizeAtMost)
          measured.append(timestamp, key, value)
          expect(measured.measure()).toBe(sizeInBytes)
          expect(asked.hasRoomFor(10, sizeAtMost + 10)).toBe(true)
        }
        const size = asked.sizeInBytes
        expect(asked.build()).toEqual(unasked.build())
        expect(asked.build()).toHaveLength(size)
      }),
      { numRuns: 50 }
    )
  })

  it('is counted to the byte where the bound is too much for the limit', () => {
    const builder = new BatchBuilder()
    builder.append(0, null, 'x'.repeat(100))
    const { sizeInBytes, sizeAtMost } = builder
    expect(sizeAtMost).toBeGreaterThan(sizeInBytes)
    expect(builder.hasRoomFor(10, sizeInBytes + 9)).toBe(false)
    expect(builder.sizeAtMost).toBe(sizeInBytes)
    expect(builder.hasRoomFor(10, sizeInBytes + 10)).toBe(true)
  })
})
