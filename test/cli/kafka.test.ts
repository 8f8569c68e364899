import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CompressionType } from '../../src/record/compression/codec.js'
import { connect } from '../../src/wire/connect.js'
import { dumpLogSegment, type KafkaBroker, kafkaTool, missingKafka, startKafkaBroker } from '../interop/kafka/apache-kafka.js'
import { millraceHere, temporaryFolder, writeLog } from './millrace.js'

const missing = await missingKafka()
if (missing) console.warn(missing)

const codecs: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4']

async function dumped(...args: string[]) {
  const { code, output } = await millraceHere('dump', ...args, '--json')
  expect(code).toBe(0)
  return output
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
}

/** The fields of the lines in Kafka's dump that begin with `name`. */
function kafkaLines(dump: string, name: string): Record<string, string>[] {
  const lines = dump.split('\n').filter(line => line.startsWith(`${name}: `))
  return lines.map(line => Object.fromEntries([...line.matchAll(/(\w+): (\S+)/g)].map(([, field, value]) => [field, value])))
}

/** What both dumps say of a batch, in Kafka's words. */
const inKafkasWords = (batch: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries({
      baseOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
      count: batch.recordCount,
      baseSequence: batch.baseSequence,
      lastSequence: batch.lastSequence,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      partitionLeaderEpoch: batch.leaderEpoch,
      isTransactional: batch.isTransactional,
      isControl: batch.isControl,
      position: batch.position,
      CreateTime: batch.maxTimestamp,
      size: batch.sizeInBytes,
      compresscodec: batch.compression,
      crc: batch.crc,
      isvalid: batch.isValid
    }).map(([name, value]) => [name, String(value)])
  )

/** Holds our dump of a segment's files against Kafka's. */
async function compareWithKafka(folder: string, stem: string): Promise<void> {
  const log = join(folder, `${stem}.log`)
  const ours = (await dumped(log)).map(inKafkasWords)
  const theirs = kafkaLines(await dumpLogSegment(log), 'baseOffset')
  expect(theirs.map((line, i) => Object.fromEntries(Object.keys(ours[i] ?? {}).map(name => [name, line[name]])))).toEqual(ours)
  for (const [suffix, first] of [
    ['index', 'offset'],
    ['timeindex', 'timestamp']
  ] as const) {
    const path = join(folder, `${stem}.${suffix}`)
    const entries = (await dumped(path)).map(entry =>
      Object.fromEntries(Object.entries(entry).map(([name, value]) => [name, String(value)]))
    )
    const dump = await dumpLogSegment(path)
    expect(dump).not.toMatch(/mismatch/i)
    expect(kafkaLines(dump, first)).toEqual(entries)
  }
}

describe.skipIf(missing)("beside Apache Kafka's own tools", () => {
  const folder = temporaryFolder()

  it.each(codecs)(
    'dump shows what DumpLogSegments shows of a log that we wrote with %s',
    async compression => {
      const path = await writeLog(join(folder, compression), { batch: { compression }, options: { segmentBytes: 8192 } })
      await compareWithKafka(path, '00000000000000000000')
    },
    60_000
  )
})

describe.skipIf(missing)('a directory that Apache Kafka wrote', () => {
  let broker: KafkaBroker

  beforeAll(async () => {
    broker = await startKafkaBroker({ 'log.index.interval.bytes': '300' })
    await using cluster = await connect({ brokers: [broker.address] })
    await cluster.admin().createTopic({ name: 'orders', partitions: 2 })
    for (const compression of codecs) {
      await using producer = cluster.producer({ compression })
      for (let i = 0; i < 5; i++) {
        await producer.sendBatch(
          'orders',
          Array.from({ length: 20 }, (_, n) => ({ partition: 0, key: `key ${n}`, value: `value ${n}`, headers: { h: 'x' } }))
        )
      }
    }
    const consumer = cluster.consumer({ groupId: 'billing', topics: ['orders'], autoCommit: false })
    await consumer.start()
    await consumer.commit([{ topic: 'orders', partition: 0, offset: 150 }])
    await consumer.close()
    const perform = 'org.apache.kafka.tools.ProducerPerformance --topic orders --num-records 50 --record-size 20 --throughput -1'
    const [tool, ...args] = `${perform} --transactional-id t --transaction-duration-ms 5 --bootstrap-server ${broker.address}`.split(' ')
    await kafkaTool(tool, args)
    const zstd = [
      ...args.slice(0, 8),
      '--producer-props',
      `bootstrap.servers=${broker.address}`,
      'compression.type=zstd',
      'partitioner.ignore.keys=true'
    ]
    await kafkaTool(tool, zstd)
  }, 120_000)

  afterAll(() => broker?.[Symbol.asyncDispose]())

  async function lookAround(): Promise<void> {
    const verified = await millraceHere('verify', broker.dataFolder)
    expect(verified).toMatchObject({
      code: 0,
      errors: '',
      output: expect.stringMatching(/^(note: .* no zstd\n)*\d+ partitions.*: all is well\n$/)
    })
    expect((await millraceHere('topics', broker.dataFolder)).output).toMatch(/^orders +2 +\d+ +\S+ \S+ +[\w-]{22}$/m)
    expect((await millraceHere('groups', broker.dataFolder)).output).toMatch(/^billing +empty +0 +orders +0 +150 +\d+ +\d+$/m)
    const tail = await millraceHere('tail', broker.dataFolder, 'orders', '--from', '399', '--partition', '0', '--json')
    expect(JSON.parse(tail.output.split('\n')[0])).toMatchObject({
      offset: 399,
      key: 'key 19',
      value: 'value 19',
      headers: [{ key: 'h', value: 'x' }]
    })
  }

  it('is looked through while the broker runs', lookAround, 60_000)

  it('is looked through after it has ended, and shown as DumpLogSegments shows it', async () => {
    await broker.stop()
    await lookAround()
    const folder = join(broker.dataFolder, 'orders-0')
    await compareWithKafka(folder, '00000000000000000000')
    const batches = await dumped(folder)
    const others = await dumped(join(broker.dataFolder, 'orders-1'))
    expect(new Set([...batches, ...others].map(({ compression }) => compression))).toEqual(new Set([...codecs, 'zstd']))
    const [snapshot] = readdirSync(folder)
      .filter(name => name.endsWith('.snapshot'))
      .sort()
      .reverse()
    const producers = kafkaLines(await dumpLogSegment(join(folder, snapshot)), 'producerId')
    const ours = await dumped(join(folder, snapshot))
    expect(
      ours.map(({ producerId, producerEpoch, lastSequence, lastOffset }) =>
        [producerId, producerEpoch, lastSequence, lastOffset].map(String)
      )
    ).toEqual(producers.map(line => [line.producerId, line.producerEpoch, line.lastSequence ?? '-1', line.lastOffset ?? '-1']))
  }, 60_000)
})
