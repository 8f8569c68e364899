import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { string } from '../../../src/record/serde.js'
import { fileStorage } from '../../../src/storage/file/file-storage.js'
import { kafkaTool, missingKafka, startKafkaBroker } from './apache-kafka.js'

const why = await missingKafka()

describe.skipIf(why)(`a directory of millrace under an Apache Kafka broker${why ? ` (${why})` : ''}`, () => {
  let home: string

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'millrace-boots-'))
  })

  afterAll(() => rm(home, { recursive: true, force: true }))

  const sent = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `value ${from + i}`)

  async function produceHere(path: string, values: readonly string[]): Promise<void> {
    await using cluster = await Cluster.open({ storage: fileStorage(path) })
    await using producer = cluster.producer()
    await producer.sendBatch(
      'orders',
      values.map(value => ({ key: 'k', value }))
    )
  }

  async function readHere(path: string, count: number): Promise<{ values: string[]; epochs: number[]; leaderEpoch: number }> {
    await using cluster = await Cluster.open({ storage: fileStorage(path) })
    await using consumer = cluster.consumer({ topics: ['orders'], value: string, autoOffsetReset: 'earliest' })
    const records: { value: string; leaderEpoch: number }[] = []
    for await (const record of consumer) if (records.push(record) === count) break
    const [{ partitions }] = await cluster.admin().describeTopics(['orders'])
    return {
      values: records.map(({ value }) => value),
      epochs: [...new Set(records.map(({ leaderEpoch }) => leaderEpoch))],
      leaderEpoch: partitions[0].leaderEpoch
    }
  }

  const consumed = (address: string, count: number) =>
    kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', address, '--topic', 'orders', '--from-beginning'],
      ...['--max-messages', String(count), '--timeout-ms', '30000']
    ]).then(output => output.split('\n').filter(line => line.startsWith('value')))

  it('is opened with a dynamic quorum after its metadata log was trimmed, goes back and forth, and keeps its leader epochs', async () => {
    const path = join(home, 'trimmed')
    await produceHere(path, sent(0, 100))
    {
      await using cluster = await Cluster.open({ storage: fileStorage(path) })
      const admin = cluster.admin()
      // Each change is a record of about 100 bytes: more than the log keeps without a snapshot.
      for (let i = 0; i < 15_000; i++) await admin.alterConfigs({ topic: 'orders' }, { 'retention.ms': 1e12 + i })
    }
    const names = await readdir(join(path, '__cluster_metadata-0'))
    expect(names.filter(name => name.endsWith('.checkpoint'))).toHaveLength(1)

    const directory = { path, nodeId: 0, quorum: 'dynamic' } as const
    {
      await using kafka = await startKafkaBroker({}, directory)
      expect(await consumed(kafka.address, 100)).toEqual(sent(0, 100))
      const described = await kafkaTool('kafka.admin.ConfigCommand', [
        ...['--bootstrap-server', kafka.address, '--describe', '--entity-type', 'topics', '--entity-name', 'orders']
      ])
      expect(described).toContain(`retention.ms=${1e12 + 14_999}`)
      await kafkaTool(
        'org.apache.kafka.tools.ConsoleProducer',
        ['--bootstrap-server', kafka.address, '--topic', 'orders'],
        `${sent(100, 110).join('\n')}\n`
      )
    }
    await produceHere(path, sent(110, 120))
    const { values, epochs, leaderEpoch } = await readHere(path, 120)
    expect(values).toEqual(sent(0, 120))
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
    expect(leaderEpoch).toBeGreaterThan(0)
    expect(epochs.at(-1)).toBe(leaderEpoch)
    await using again = await startKafkaBroker({}, directory)
    expect(await consumed(again.address, 120)).toEqual(sent(0, 120))
  }, 240_000)

  it('is opened with a static quorum, and gives newer protocols the feature levels of a new Kafka', async () => {
    const path = join(home, 'static')
    await produceHere(path, sent(0, 10))
    await cp(path, join(home, 'copy'), { recursive: true, filter: name => !name.includes('.lock') })
    await using kafka = await startKafkaBroker({}, { path: join(home, 'copy'), nodeId: 0, quorum: 'static' })
    expect(await consumed(kafka.address, 10)).toEqual(sent(0, 10))
    const features = await kafkaTool('org.apache.kafka.tools.FeatureCommand', ['--bootstrap-server', kafka.address, 'describe'])
    expect(features).toMatch(/Feature: group\.version.*FinalizedVersionLevel: 1/)
    expect(features).toMatch(/Feature: transaction\.version.*FinalizedVersionLevel: 2/)
  }, 120_000)
})
