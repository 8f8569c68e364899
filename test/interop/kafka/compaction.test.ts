import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Random, randomInteger, seededRandom } from '../../../src/common/random.js'
import { Log } from '../../../src/log/log.js'
import type { LogOptions } from '../../../src/log/log-options.js'
import type { Broker } from '../../../src/protocol/broker.js'
import { CreateTopics } from '../../../src/protocol/messages/create-topics.js'
import { IncrementalAlterConfigs } from '../../../src/protocol/messages/incremental-alter-configs.js'
import { InitProducerId } from '../../../src/protocol/messages/init-producer-id.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import { batchSizeAt, headerBytes } from '../../../src/record/batch-header.js'
import type { CompressionType } from '../../../src/record/compression/codec.js'
import { codecOf } from '../../../src/record/compression/codecs.js'
import { batchesIn, RecordBatch } from '../../../src/record/record-batch.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { remoteBrokers } from '../../../src/wire/index.js'
import { dumpLogSegment, type KafkaBroker, missingKafka, startKafkaBroker } from './apache-kafka.js'

const missing = await missingKafka()
if (missing) console.warn(`Skipped, for want of Apache Kafka: ${missing}`)

const codecs = (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).filter(isThere)
const segmentBytes = 1024 * 1024
const options: LogOptions = {
  cleanupPolicy: 'compact',
  segmentBytes,
  segmentMs: 60_000,
  minCleanableDirtyRatio: 0.01
}

function isThere(codec: CompressionType): boolean {
  try {
    return codec === 'none' || codecOf(codec) !== undefined
  } catch {
    return false
  }
}

interface Producers {
  readonly ids: readonly { readonly producerId: number; readonly producerEpoch: number }[]
  readonly sequences: number[]
}

/** Batches of every codec, with tombstones, headers, keys that come back and keys that do not, from idempotent producers and others. */
function* someBatches(random: Random, count: number, start: number, producers: Producers): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    const timestamp = start + i * 3000
    const records = Array.from({ length: 1 + randomInteger(random, 6) }, (_, n) => {
      const key = `key-${randomInteger(random, randomInteger(random, 3) === 0 ? 2000 : 60)}`
      const isTombstone = randomInteger(random, 8) === 0
      const noise = Array.from({ length: 40 + randomInteger(random, 900) }, () => String.fromCharCode(33 + randomInteger(random, 90))).join(
        ''
      )
      return {
        key,
        value: isTombstone ? null : noise,
        timestamp: timestamp + ((n * 7919) % 2000),
        headers: n % 2 ? [{ key: 'h', value: key }] : []
      }
    })
    const producer = i % (producers.ids.length + 1)
    const id = producers.ids[producer]
    const idempotent = id && { ...id, baseSequence: producers.sequences[producer] }
    if (id) producers.sequences[producer] += records.length
    yield RecordBatch.of(records, { compression: codecs[randomInteger(random, codecs.length)], ...idempotent }).bytes
  }
}

/** The batches of each segment in a folder, as far as two cleaners must agree on them. */
async function shape(folder: string) {
  const names = (await readdir(folder)).filter(name => name.endsWith('.log')).sort()
  const segments: Record<string, unknown[]> = {}
  for (const name of names) {
    segments[name] = [...batchesIn(withoutRoom(await readFile(join(folder, name))))].map(batch => {
      batch.verify()
      const { baseOffset, lastOffset, recordCount, compression, maxTimestamp, timestampType } = batch
      const { producerId, producerEpoch, baseSequence, isTransactional, isControl } = batch
      const records = [...batch.records()].map(({ offset, timestamp, key, value, headers }) =>
        [offset, timestamp, textOf(key), textOf(value), headers.map(header => `${header.key}=${textOf(header.value)}`)].join(' ')
      )
      const willLoseTombstones = batch.deleteHorizon !== undefined
      return {
        ...{ baseOffset, lastOffset, recordCount, compression, maxTimestamp, timestampType, willLoseTombstones },
        ...{ producerId, producerEpoch, baseSequence, isTransactional, isControl, records }
      }
    })
  }
  return segments
}

/** A file that is being written may end in zeros. */
function withoutRoom(bytes: Uint8Array): Uint8Array {
  let end = 0
  while (end + headerBytes <= bytes.length && batchSizeAt(bytes, end) >= headerBytes) end += batchSizeAt(bytes, end)
  return bytes.subarray(0, end)
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : Buffer.from(bytes).toString()
}

describe.skipIf(missing)('Apache Kafka', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it('reads what compaction leaves, in every codec, with its indexes and snapshots', { timeout: 120_000 }, async () => {
    const storage = fileStorage(join(directory, 'ours'))
    const log = await Log.open(storage, 'orders-0', { ...options, segmentBytes: 60_000, deleteRetentionMs: 0 })
    const producers = { ids: [{ producerId: 7, producerEpoch: 0 }], sequences: [0] }
    const random = seededRandom(3)
    for (const start of [0, 1, 2]) {
      for (const batch of someBatches(random, 120, Date.UTC(2026, 0, 1 + start), producers)) await log.append(batch)
      expect(await log.compact()).toBeDefined()
    }
    await log.close()
    await storage.close()
    const folder = join(directory, 'ours', 'orders-0')
    const names = await readdir(folder)
    expect(names.filter(name => name.endsWith('.log')).length).toBeGreaterThan(2)
    const files = names.filter(name => /^\d{20}\.(log|index|timeindex|snapshot)$/.test(name)).sort()
    const output = await dumpLogSegment(files.map(name => join(folder, name)).join(','), '--deep-iteration', '--print-data-log')
    expect(output).not.toMatch(/isvalid: false|mismatch|out of order|corrupt|could not|exception/i)
    const batches = output.match(/isvalid: true/g)?.length
    expect(batches).toBe(Object.values(await shape(folder)).flat().length)
  })

  describe("'s cleaner", () => {
    let kafka: KafkaBroker
    beforeAll(async () => {
      kafka = await startKafkaBroker({
        'log.cleaner.backoff.ms': '100',
        'log.cleaner.threads': '1',
        'log.cleaner.dedupe.buffer.size': '2097152'
      })
    }, 120_000)
    afterAll(() => kafka?.[Symbol.asyncDispose]())

    it('leaves the same, batch by batch, as ours', { timeout: 120_000 }, async () => {
      const brokers = remoteBrokers({ brokers: [kafka.address], clientId: 'test' })
      const broker = brokers.any()
      await createTopic(broker)
      const producers: Producers = { ids: [], sequences: [0, 0] }
      const ids: { producerId: number; producerEpoch: number }[] = []
      for (const _ of producers.sequences) {
        const { producerId = -1, producerEpoch } = await broker.request(InitProducerId, {
          transactionalId: null,
          transactionTimeoutMs: 60_000
        })
        ids.push({ producerId, producerEpoch })
      }
      const storage = fileStorage(join(directory, 'side-by-side'))
      const log = await Log.open(storage, 'orders-0', options)
      const random = seededRandom(11)
      for (let round = 0; round < 4; round++) {
        const deleteRetentionMs = round < 2 ? 3_600_000 : 0
        log.configure({ deleteRetentionMs })
        await configure(broker, { 'cleanup.policy': 'delete', 'delete.retention.ms': deleteRetentionMs })
        for (const batch of someBatches(random, 700, Date.UTC(2026, 0, 1 + round), { ...producers, ids })) {
          await produce(broker, batch)
          await log.append(batch)
        }
        const before = await shape(join(kafka.dataFolder, 'orders-0'))
        await log.sync()
        await configure(broker, { 'cleanup.policy': 'compact' })
        const { endOffset } = await log.dirtiness()
        const report = await log.compact()
        expect(report?.firstDirtyOffset).toBe(endOffset)
        await cleaned(kafka, endOffset)
        const theirs = await shape(join(kafka.dataFolder, 'orders-0'))
        expect(theirs).not.toEqual(before)
        await log.sync()
        expect(await shape(join(directory, 'side-by-side', 'orders-0'))).toEqual(theirs)
      }
      await log.close()
      await storage.close()
      await brokers.close()

      await kafka.stop()
      const copy = join(directory, 'copy')
      await cp(join(kafka.dataFolder, 'orders-0'), join(copy, 'orders-0'), { recursive: true })
      const again = fileStorage(copy)
      const opened = await Log.open(again, 'orders-0', options)
      expect(opened.logEndOffset).toBe(log.logEndOffset)
      await opened.compact({ force: true })
      await opened.close()
      await again.close()
    })
  })
})

async function createTopic(broker: Broker): Promise<void> {
  const configs = { 'segment.bytes': segmentBytes, 'segment.ms': options.segmentMs, 'min.cleanable.dirty.ratio': 0.01, 'retention.ms': -1 }
  const named = Object.entries(configs).map(([name, value]) => ({ name, value: String(value) }))
  const { topics } = await broker.request(CreateTopics, {
    topics: [{ name: 'orders', numPartitions: 1, replicationFactor: 1, configs: named }],
    timeoutMs: 30_000
  })
  expect(topics[0].errorMessage).toBeNull()
  await until(async () => (await broker.request(Metadata, { topics: [{ name: 'orders' }] })).topics[0].partitions[0]?.leaderId >= 0)
}

async function configure(broker: Broker, changes: Readonly<Record<string, string | number>>): Promise<void> {
  const configs = Object.entries(changes).map(([name, value]) => ({ name, configOperation: 0, value: String(value) }))
  const { responses } = await broker.request(IncrementalAlterConfigs, {
    resources: [{ resourceType: 2, resourceName: 'orders', configs }],
    validateOnly: false
  })
  expect(responses[0].errorCode).toBe(0)
}

async function produce(broker: Broker, records: Uint8Array): Promise<void> {
  const { responses } = await broker.request(Produce, {
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records }] }]
  })
  expect(responses[0].partitionResponses[0].errorCode).toBe(0)
}

/** Resolves when Kafka's cleaner has come to `offset`, as its checkpoint tells. */
async function cleaned(kafka: KafkaBroker, offset: number): Promise<void> {
  await until(async () => {
    const checkpoint = await readFile(join(kafka.dataFolder, 'cleaner-offset-checkpoint'), 'utf8').catch(() => '')
    return checkpoint.includes(`orders 0 ${offset}\n`)
  })
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (await condition()) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error('It did not come about in a minute')
}
