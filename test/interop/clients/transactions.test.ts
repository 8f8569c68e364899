import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../../src/index.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { type Listener, listen } from '../../../src/wire/index.js'
import { dumpLogSegment, jars, missingKafka } from '../kafka/apache-kafka.js'
import { nodeRdkafka, runNode } from './node-rdkafka.js'
import { confluentPython, runPython } from './python.js'
import { runCommand } from './run-command.js'

const program = fileURLToPath(new URL('java/Transactions.java', import.meta.url))

let directory: string
let cluster: Cluster
let listener: Listener

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-transactions-'))
  const configs = { 'transaction.state.log.num.partitions': 1, 'offsets.topic.num.partitions': 1 }
  cluster = await Cluster.open({ storage: fileStorage(directory), configs })
  listener = await listen(cluster, { port: 0 })
  await cluster.admin().createTopics([{ name: 'js' }, { name: 'java' }, { name: 'java-out' }, { name: 'py' }, { name: 'node' }])
})

afterAll(async () => {
  await listener.close()
  await cluster.close()
  await rm(directory, { recursive: true, force: true })
})

describe('transactions of other clients', () => {
  it('kafkajs: commit, abort, offsets, and a producer that is fenced', async () => {
    const kafka = new Kafka({ brokers: [`127.0.0.1:${listener.port}`], logLevel: logLevel.NOTHING })
    const producerOf = async () => {
      const producer = kafka.producer({ transactionalId: 'js-t', maxInFlightRequests: 1, idempotent: true })
      await producer.connect()
      return producer
    }
    const producer = await producerOf()
    const run = async (value: string, end: 'commit' | 'abort', from = producer) => {
      const transaction = await from.transaction()
      await transaction.send({ topic: 'js', messages: [{ value }] })
      if (value === 'a') {
        const topics = [{ topic: 'js', partitions: [{ partition: 0, offset: '5' }] }]
        await transaction.sendOffsets({ consumerGroupId: 'js-g', topics })
      }
      await transaction[end]()
    }
    await run('a', 'commit')
    await run('B', 'abort')
    const other = await producerOf()
    await run('c', 'commit', other)
    await expect(run('D', 'commit')).rejects.toThrow()
    expect(await cluster.admin().listGroupOffsets('js-g')).toMatchObject([{ topic: 'js', offset: 5 }])
    const consumer = kafka.consumer({ groupId: 'js-r' })
    await consumer.connect()
    await consumer.subscribe({ topic: 'js', fromBeginning: true })
    const seen: string[] = []
    await new Promise<void>(resolve => {
      void consumer.run({
        eachMessage: async ({ message }) => {
          seen.push(String(message.value))
          if (seen.length === 2) resolve()
        }
      })
    })
    expect(seen).toEqual(['a', 'c'])
    for (const client of [consumer, producer, other]) await client.disconnect()
  }, 60_000)

  it.for([
    { client: confluentPython, run: runPython('confluent_transactions.py') },
    { client: nodeRdkafka, run: runNode('node-rdkafka-transactions.mjs') }
  ])('$client.name: commit, abort, offsets, and a producer that is fenced', { timeout: 120_000 }, async ({ client, run }, context) => {
    const missing = await client.missing()
    if (missing) return context.skip(missing)
    expect(await run(`127.0.0.1:${listener.port}`)).toEqual([
      { what: 'commit and abort' },
      { what: 'offsets in a transaction' },
      { what: 'fence a zombie' }
    ])
  })

  it('Java: the same in version 2 of transactions, with members of a group; and its tools read the files', async context => {
    const missing = await missingKafka()
    if (missing) return context.skip(missing)
    const args = ['-Xmx256m', '-cp', `${jars}/*`, program, `127.0.0.1:${listener.port}`, 'java']
    const output = await runCommand('java', args, { timeoutMs: 100_000 })
    expect(output.trim().split('\n')).toEqual([
      'committed: a aa c cc',
      expect.stringMatching(/^all: a aa B (BB )?c cc$/),
      'moved: A AA C CC',
      expect.stringMatching(/^offset: [78]$/),
      'stale member: refused',
      'zombie: fenced',
      'after: a aa c cc d'
    ])
    await cluster.close()
    const folder = join(directory, 'java-0')
    for (const name of await readdir(folder)) {
      const file = join(folder, name)
      if (!/\.(log|txnindex|snapshot)$/.test(name) || (await stat(file)).size === 0) continue
      const dump = await dumpLogSegment(file, '--deep-iteration')
      expect(dump).not.toMatch(/corrupt|exception|isvalid: false/i)
      if (name.endsWith('.log')) expect(dump.match(/endTxnMarker: (COMMIT|ABORT)/g)?.length).toBeGreaterThanOrEqual(5)
    }
    const states = await dumpLogSegment(join(directory, '__transaction_state-0', '00000000000000000000.log'), '--transaction-log-decoder')
    expect(states).toContain('"transactionStatus":4')
    expect(states).not.toMatch(/exception/i)
  }, 200_000)
})
