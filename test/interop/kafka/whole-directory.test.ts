import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { string } from '../../../src/record/serde.js'
import { fileStorage } from '../../../src/storage/file/file-storage.js'
import { kafkaTool, missingKafka, startKafkaBroker } from './apache-kafka.js'

const why = await missingKafka()

describe.skipIf(why)(`the whole data directory of an Apache Kafka broker${why ? ` (${why})` : ''}`, () => {
  let directory: string

  beforeAll(async () => {
    await using broker = await startKafkaBroker({ 'num.partitions': '2' })
    const at = ['--bootstrap-server', broker.address]
    const lines = Array.from({ length: 200 }, (_, i) => `k${i % 10}:v${i}`).join('\n')
    const keyed = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:', '--compression-codec', 'lz4']
    await kafkaTool('org.apache.kafka.tools.ConsoleProducer', [...at, '--topic', 'plain', ...keyed], `${lines}\n`)
    const group = ['--topic', 'plain', '--group', 'theirs', '--from-beginning', '--max-messages', '200', '--timeout-ms', '20000']
    await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [...at, ...group])
    const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING })
    const producer = kafka.producer({ transactionalId: 'tx', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    for (let i = 0; i < 10; i++) {
      const transaction = await producer.transaction()
      await transaction.send({
        topic: 'accounts',
        messages: [0, 1].map(partition => ({ partition, value: `${i % 3 === 0 ? 'taken back' : 'kept'} ${i}` }))
      })
      await (i % 3 === 0 ? transaction.abort() : transaction.commit())
    }
    await producer.disconnect()
    await broker.stop()
    directory = await mkdtemp(join(tmpdir(), 'millrace-kafka-'))
    await cp(broker.dataFolder, directory, { recursive: true })
  }, 120_000)

  afterAll(() => rm(directory, { recursive: true, force: true }))

  async function valuesOf(cluster: Cluster, topic: string, isolationLevel: 'read_committed' | 'read_uncommitted'): Promise<string[]> {
    await using consumer = cluster.consumer({ topics: [topic], value: string, autoOffsetReset: 'earliest', isolationLevel })
    await consumer.start()
    const ends = await consumer.endOffsets()
    const values: string[] = []
    const reading = (async () => {
      for await (const { value } of consumer) values.push(value)
    })()
    while (ends.some(({ offset, ...partition }) => (consumer.position(partition) ?? 0) < offset))
      await new Promise(resolve => setTimeout(resolve, 5))
    await consumer.close()
    await reading
    return values
  }

  it('opens here: topics, records, transactions and the offsets of groups are as they were', async () => {
    const trouble: unknown[] = []
    await using cluster = await Cluster.open({ storage: fileStorage(directory), nodeId: 1 })
    for (const event of ['error', 'partitionStopped', 'straySetAside', 'tornTail'] as const)
      cluster.on(event, (each: unknown) => trouble.push(each))
    expect([...cluster.topics.keys()].filter(name => !name.startsWith('__')).sort()).toEqual(['accounts', 'plain'])
    expect((await valuesOf(cluster, 'plain', 'read_uncommitted')).sort()).toEqual(Array.from({ length: 200 }, (_, i) => `v${i}`).sort())
    const kept = [1, 2, 4, 5, 7, 8].flatMap(i => [`kept ${i}`, `kept ${i}`])
    expect((await valuesOf(cluster, 'accounts', 'read_committed')).sort()).toEqual(kept)
    expect(await valuesOf(cluster, 'accounts', 'read_uncommitted')).toHaveLength(20)
    const offsets = await cluster.admin().listGroupOffsets('theirs')
    expect(offsets.map(({ offset }) => offset).reduce((sum, offset) => sum + offset)).toBe(200)
    await using producer = cluster.producer()
    const { offset } = await producer.send('plain', { value: 'ours', partition: 0 })
    expect(offset).toBe(cluster.topic('plain').partitions[0].logEndOffset - 1)
    expect(trouble).toEqual([])
  })
})
