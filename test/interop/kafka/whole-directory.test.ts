import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { string } from '../../../src/record/serde.js'
import { fileStorage } from '../../../src/storage/file/file-storage.js'
import { connect } from '../../../src/wire/connect.js'
import { listen } from '../../../src/wire/listener.js'
import { kafkaTool, missingKafka, startKafkaBroker } from './apache-kafka.js'

const why = await missingKafka()

describe.skipIf(why)(`the whole data directory of an Apache Kafka broker${why ? ` (${why})` : ''}`, () => {
  let directory: string
  let users: string
  /** As they left it. */
  let written: string

  beforeAll(async () => {
    await using broker = await startKafkaBroker({ 'num.partitions': '2' })
    const at = ['--bootstrap-server', broker.address]
    const lines = Array.from({ length: 200 }, (_, i) => `k${i % 10}:v${i}`).join('\n')
    const keyed = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:', '--compression-codec', 'lz4']
    await kafkaTool('org.apache.kafka.tools.ConsoleProducer', [...at, '--topic', 'plain', ...keyed], `${lines}\n`)
    const group = ['--topic', 'plain', '--group', 'theirs', '--from-beginning', '--max-messages', '200', '--timeout-ms', '20000']
    await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [...at, ...group])
    const user = ['--entity-type', 'users', '--entity-name', 'ann', '--add-config', 'SCRAM-SHA-512=[iterations=4096,password=secret]']
    await kafkaTool('kafka.admin.ConfigCommand', [...at, '--alter', ...user])
    const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING })
    const producer = kafka.producer({ transactionalId: 'tx', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    for (let i = 0; i < 10; i++) {
      const transaction = await producer.transaction()
      await transaction.send({
        topic: 'accounts',
        messages: [0, 1].map(partition => ({ partition, value: `${i % 3 === 0 ? 'taken back' : 'kept'} ${i}` }))
      })
      const partitions = [{ partition: 0, offset: String(100 + i) }]
      await transaction.sendOffsets({ consumerGroupId: 'exactly once', topics: [{ topic: 'accounts', partitions }] })
      await (i % 3 === 0 ? transaction.abort() : transaction.commit())
    }
    await producer.disconnect()
    const gone = kafka.producer({ transactionalId: 'gone', maxInFlightRequests: 1, idempotent: true })
    await gone.connect()
    const undecided = await gone.transaction()
    await undecided.send({ topic: 'left', messages: [{ partition: 0, value: 'undecided' }] })
    await kafkaTool('org.apache.kafka.tools.ConsoleProducer', [...at, '--topic', 'left'], 'plain\nplain\nplain\n')
    await broker.stop()
    await gone.disconnect().catch(() => {})
    directory = await mkdtemp(join(tmpdir(), 'millrace-kafka-'))
    users = await mkdtemp(join(tmpdir(), 'millrace-kafka-'))
    written = await mkdtemp(join(tmpdir(), 'millrace-kafka-'))
    for (const copy of [directory, users, written]) await cp(broker.dataFolder, copy, { recursive: true })
  }, 120_000)

  afterAll(async () => {
    for (const copy of [directory, users, written]) await rm(copy, { recursive: true, force: true })
  })

  const kept = [1, 2, 4, 5, 7, 8].flatMap(i => [`kept ${i}`, `kept ${i}`])

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

  it('has users, who come in here as they did there', async () => {
    await using cluster = await Cluster.open({ storage: fileStorage(users), nodeId: 1 })
    await using listener = await listen(cluster, { sasl: { users: {} } })
    const comeIn = async (password: string) => {
      const brokers = [listener.address]
      await (await connect({ brokers, sasl: { mechanism: 'SCRAM-SHA-512', username: 'ann', password } })).close()
    }
    await comeIn('secret')
    await expect(comeIn('other')).rejects.toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED' })
  })

  it('opens here: topics, records, transactions and the offsets of groups are as they were', async () => {
    const trouble: unknown[] = []
    await using cluster = await Cluster.open({ storage: fileStorage(directory), nodeId: 1 })
    for (const event of ['error', 'partitionStopped', 'straySetAside', 'tornTail'] as const)
      cluster.on(event, (each: unknown) => trouble.push(each))
    expect([...cluster.topics.keys()].filter(name => !name.startsWith('__')).sort()).toEqual(['accounts', 'left', 'plain'])
    expect((await valuesOf(cluster, 'plain', 'read_uncommitted')).sort()).toEqual(Array.from({ length: 200 }, (_, i) => `v${i}`).sort())
    expect((await valuesOf(cluster, 'accounts', 'read_committed')).sort()).toEqual(kept)
    expect(await valuesOf(cluster, 'accounts', 'read_uncommitted')).toHaveLength(20)
    expect(await valuesOf(cluster, 'left', 'read_committed')).toEqual(['plain', 'plain', 'plain'])
    expect(await valuesOf(cluster, 'left', 'read_uncommitted')).toHaveLength(4)
    const offsets = await cluster.admin().listGroupOffsets('theirs')
    expect(offsets.map(({ offset }) => offset).reduce((sum, offset) => sum + offset)).toBe(200)
    expect(await cluster.admin().listGroupOffsets('exactly once')).toMatchObject([{ topic: 'accounts', partition: 0, offset: 108 }])
    await using producer = cluster.producer()
    const { offset } = await producer.send('plain', { value: 'ours', partition: 0 })
    expect(offset).toBe(cluster.topic('plain').partitions[0].logEndOffset - 1)
    expect(trouble).toEqual([])
  })

  const filesIn = async (home: string, suffix: string) => {
    const names = (await readdir(home, { recursive: true })).filter(name => name.startsWith('accounts-') && name.endsWith(suffix)).sort()
    return new Map(await Promise.all(names.map(async name => [name, (await readFile(join(home, name))).toString('hex')] as const)))
  }

  const losses: [what: string, lose: (path: string) => Promise<void>][] = [
    ['gone', path => rm(path)],
    ['empty', path => truncate(path)],
    ['cut short', path => truncate(path, 40)],
    ['full of zeros', path => writeFile(path, new Uint8Array(68))]
  ]
  for (const [what, lose] of losses) {
    for (const isClean of [true, false]) {
      it(`gets its transaction indexes back, byte for byte, where they are ${what}, after ${isClean ? 'its end' : 'a crash'}`, async () => {
        const copy = await mkdtemp(join(tmpdir(), 'millrace-kafka-'))
        await cp(written, copy, { recursive: true })
        const theirs = await filesIn(copy, '.txnindex')
        expect(theirs.size).toBe(2)
        for (const name of theirs.keys()) await lose(join(copy, name))
        if (!isClean) await rm(join(copy, '.kafka_cleanshutdown'))
        {
          await using cluster = await Cluster.open({ storage: fileStorage(copy), nodeId: 1 })
          expect((await valuesOf(cluster, 'accounts', 'read_committed')).sort()).toEqual(kept)
        }
        expect(await filesIn(copy, '.txnindex')).toEqual(theirs)
        await rm(copy, { recursive: true })
      })
    }
  }
})
