import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../../src/log/history/producer-snapshot.js'
import { Log } from '../../../src/log/log.js'
import type { LogOptions } from '../../../src/log/log-options.js'
import type { CompressionType } from '../../../src/record/compression/codec.js'
import { codecOf } from '../../../src/record/compression/codecs.js'
import type { LogRecord } from '../../../src/record/record.js'
import { batchesIn, RecordBatch } from '../../../src/record/record-batch.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { dumpLogSegment, type KafkaBroker, kafkaTool, missingKafka, startKafkaBroker } from './apache-kafka.js'

const missing = await missingKafka()
if (missing) console.warn(`Skipped, for want of Apache Kafka: ${missing}`)

const codecs: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const usable = codecs.filter(isThere)
const topicFolder = 'orders-0'

function isThere(codec: CompressionType): boolean {
  try {
    return codec === 'none' || codecOf(codec) !== undefined
  } catch {
    return false
  }
}

/** A log of some segments, each with a few entries in its indexes, by two producers and under two leaders. */
async function writeLog(
  directory: string,
  compression: CompressionType,
  { epochs = [0] }: { epochs?: readonly number[] } = {}
): Promise<string[]> {
  const storage = fileStorage(directory)
  const options: LogOptions = { segmentBytes: 40_000, retentionMs: -1 }
  const log = await Log.open(storage, topicFolder, options)
  const random = seededRandom(7)
  const values: string[] = []
  const sequences = [0, 0]
  for (let i = 0; i < 120; i++) {
    const timestamp = Date.UTC(2026, 0, 1) + i * 1000 - (i % 3) * 5000
    const records = Array.from({ length: 1 + (i % 5) }, (_, n) => {
      const value = `${i}.${n} ${Array.from({ length: 150 }, () => String.fromCharCode(97 + Math.floor(random.next() * 26))).join('')}`
      values.push(value)
      return { key: `k${i % 7}`, value, timestamp: timestamp + n, headers: [{ key: 'h', value: 'x' }] }
    })
    const producer = i % 3
    const idempotent = producer < 2 && { producerId: 4000 + producer, producerEpoch: 3, baseSequence: sequences[producer] }
    if (producer < 2) sequences[producer] += records.length
    const leaderEpoch = epochs[Math.floor((i * epochs.length) / 120)]
    await log.append(RecordBatch.of(records, { compression, ...idempotent }).bytes, { leaderEpoch })
  }
  expect(log.segmentCount).toBeGreaterThan(1)
  await log.close()
  await storage.close()
  return values
}

async function readValues(directory: string, folder: string): Promise<string[]> {
  const storage = fileStorage(directory, { readOnly: true })
  const log = await Log.open(storage, folder, { isClean: true })
  const values: string[] = []
  let offset = log.logStartOffset
  while (offset < log.logEndOffset) {
    for (const batch of batchesIn(await log.read(offset, 1_000_000))) {
      batch.verify()
      offset = batch.nextOffset
      if (!batch.isControl) for (const record of batch.records()) values.push(textOf(record))
    }
  }
  await log.close()
  await storage.close()
  return values
}

function textOf({ value }: LogRecord): string {
  return Buffer.from(value ?? []).toString()
}

async function filesIn(folder: string, ...suffixes: string[]): Promise<string[]> {
  return (await readdir(folder)).filter(name => suffixes.some(suffix => name.endsWith(suffix))).sort()
}

describe.skipIf(missing)("Apache Kafka's own tool, on logs that were written here", () => {
  for (const compression of usable) {
    it(`finds nothing wrong in segments, indexes and snapshots of batches in ${compression}`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'millrace-'))
      try {
        const values = await writeLog(directory, compression, { epochs: [0, 4] })
        const folder = join(directory, topicFolder)
        const files = await filesIn(folder, '.log', '.index', '.timeindex', '.snapshot')
        const output = await dumpLogSegment(files.map(name => join(folder, name)).join(','), '--deep-iteration', '--print-data-log')
        expect(output.match(/isvalid: (?!true)/g)).toBeNull()
        expect(output).not.toMatch(
          /Mismatches|Found timestamp mismatch|Found out of order|non-consecutive offsets in.*0{20}|could not|Exception/i
        )
        expect(output.match(/payload: /g)).toHaveLength(values.length)
        expect(output.match(/producerId: 4001 producerEpoch: 3/g)?.length).toBeGreaterThan(0)
        expect(output.match(/entries? found|^offset: \d+ position: \d+/gm)?.length).toBeGreaterThan(3)
        expect(await readFile(join(folder, 'leader-epoch-checkpoint'), 'utf8')).toMatch(/^0\n2\n0 0\n4 \d+\n$/)
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    })
  }
})

describe.skipIf(missing)('files that change places with those of an Apache Kafka broker', () => {
  let broker: KafkaBroker
  const own: { [compression: string]: { directory: string; values: string[] } } = {}

  beforeAll(async () => {
    broker = await startKafkaBroker()
    const admin = ['--bootstrap-server', broker.address]
    for (const compression of usable) {
      const directory = await mkdtemp(join(tmpdir(), 'millrace-'))
      own[compression] = { directory, values: await writeLog(directory, compression) }
      await kafkaTool('org.apache.kafka.tools.TopicCommand', [
        ...admin,
        '--create',
        '--topic',
        `ours-${compression}`,
        '--partitions',
        '1',
        '--config',
        'retention.ms=-1'
      ])
    }
    for (const compression of usable) {
      const lines = Array.from({ length: 300 }, (_, i) => `${i} ${'theirs '.repeat(i % 40)}`).join('\n')
      const producer = ['--topic', 'theirs', '--compression-codec', compression, '--batch-size', '2000']
      await kafkaTool('org.apache.kafka.tools.ConsoleProducer', [...admin, ...producer], `${lines}\n`)
    }
    await broker.stop()
  }, 120_000)

  afterAll(async () => {
    for (const { directory } of Object.values(own)) await rm(directory, { recursive: true, force: true })
    await broker?.[Symbol.asyncDispose]()
  })

  it('written there, are read here to the last record', async () => {
    const values = await readValues(broker.dataFolder, 'theirs-0')
    const lines = Array.from({ length: 300 }, (_, i) => `${i} ${'theirs '.repeat(i % 40)}`)
    expect(values).toEqual(usable.flatMap(() => lines))
  })

  it('written here, get from the broker the very indexes that they have here, and are served by it', { timeout: 120_000 }, async () => {
    for (const compression of usable) {
      const folder = join(broker.dataFolder, `ours-${compression}-0`)
      for (const name of await filesIn(folder, '.log', '.index', '.timeindex', '.snapshot', 'leader-epoch-checkpoint'))
        await rm(join(folder, name))
      const from = join(own[compression].directory, topicFolder)
      for (const name of await filesIn(from, '.log')) await cp(join(from, name), join(folder, name))
    }
    await broker.start()
    for (const compression of usable) {
      const consumer = [
        '--topic',
        `ours-${compression}`,
        '--from-beginning',
        '--timeout-ms',
        '20000',
        '--max-messages',
        String(own[compression].values.length)
      ]
      const output = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', ['--bootstrap-server', broker.address, ...consumer])
      expect(output.split('\n').filter(line => line !== '')).toEqual(own[compression].values)
    }
    await broker.stop()
    for (const compression of usable) {
      const folder = join(broker.dataFolder, `ours-${compression}-0`)
      const from = join(own[compression].directory, topicFolder)
      const indexes = await filesIn(from, '.index', '.timeindex')
      expect(await filesIn(folder, '.index', '.timeindex')).toEqual(indexes)
      for (const name of indexes) {
        const [theirs, ours] = await Promise.all([readFile(join(folder, name)), readFile(join(from, name))])
        expect(`${name} ${ours.toString('hex')}`).toBe(`${name} ${theirs.toString('hex')}`)
      }
      const snapshots = await filesIn(from, '.snapshot')
      const [theirs, ours] = await Promise.all([readFile(join(folder, snapshots.at(-1)!)), readFile(join(from, snapshots.at(-1)!))])
      // Ours have an entry for each of a producer's last batches, theirs for the very last.
      const producers = decodeProducerSnapshot(ours).map(producer => ({ ...producer, batches: producer.batches.slice(-1) }))
      expect(Buffer.from(encodeProducerSnapshot(producers)).toString('hex')).toBe(theirs.toString('hex'))
    }
  })
})
