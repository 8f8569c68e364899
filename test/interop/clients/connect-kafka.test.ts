import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClusterClient } from '../../../src/cluster-client.js'
import { takeAnyOrder } from '../../../src/protocol/broker.js'
import { AlterUserScramCredentials } from '../../../src/protocol/messages/alter-user-scram-credentials.js'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import { bytes, json, string } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'
import { connect } from '../../../src/wire/connect.js'
import { remoteBrokers } from '../../../src/wire/remote-brokers.js'
import { passwordMechanisms } from '../../../src/wire/sasl/sasl-options.js'
import type { ScramMechanism } from '../../../src/wire/sasl/scram-keys.js'
import { saltPassword } from '../../../src/wire/sasl/scram-keys.js'
import { freePort } from '../../free-port.js'
import { type KafkaBroker, kafkaTool, missingKafka, securedListener, startKafkaBroker } from '../kafka/apache-kafka.js'
import { codecs } from './client-round.js'
import { runCommand } from './run-command.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

interface PageView {
  readonly url: string
}

const pageViews = topic('page-views', { key: string, value: json<PageView>(), partitions: 6 })

describe.skipIf(await missingKafka())('connect(), to Apache Kafka 4.3', () => {
  let kafka: KafkaBroker
  let secured: string
  let cluster: ClusterClient

  beforeAll(async () => {
    secured = `127.0.0.1:${await freePort()}`
    const jaas = 'org.apache.kafka.common.security'
    kafka = await startKafkaBroker(own => ({
      ...securedListener(own, secured, passwordMechanisms),
      'listener.name.secured.plain.sasl.jaas.config': `${jaas}.plain.PlainLoginModule required user_alice="secret";`,
      'listener.name.secured.scram-sha-256.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
      'listener.name.secured.scram-sha-512.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`
    }))
    cluster = await connect({ brokers: [kafka.address], clientId: 'connect-test' })
  }, 60_000)

  afterAll(async () => {
    await cluster?.close()
    await kafka?.[Symbol.asyncDispose]()
  })

  it('writes and reads as in this process', async () => {
    const producer = cluster.producer({ compression: 'lz4' })
    const sent = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => producer.send(pageViews, { key: `u-${i % 50}`, value: { url: `/${i}` } }))
    )
    expect(new Set(sent.map(({ partition }) => partition)).size).toBe(6)
    const consumer = cluster.consumer({ groupId: 'analytics', topics: [pageViews], autoOffsetReset: 'earliest' })
    const seen: string[] = []
    for await (const record of consumer) {
      seen.push(record.value.url)
      if (seen.length === 1000) break
    }
    await consumer.close()
    expect(new Set(seen).size).toBe(1000)
    const again = cluster.consumer({ groupId: 'analytics', topics: [pageViews], autoOffsetReset: 'earliest' })
    await producer.send(pageViews, { key: 'u-0', value: { url: '/last' } })
    for await (const record of again) {
      expect(record.value.url).toBe('/last')
      break
    }
    await again.close()
    await producer.close()
  })

  it('fetches by a session', async () => {
    const [{ id: topicId }] = await cluster.admin().createTopics([topic('sessions', { partitions: 20 })])
    const consumer = cluster.consumer({ topics: ['sessions'], autoOffsetReset: 'earliest' })
    const records = consumer[Symbol.asyncIterator]()
    const producer = cluster.producer({ lingerMs: 0 })
    for (let i = 0; i < 40; i++) {
      const partition = (i * 7) % 20
      await producer.send('sessions', { partition, value: 'v' })
      expect((await records.next()).value).toMatchObject({ partition, offset: Math.floor(i / 20) })
    }
    await consumer.close()
    const brokers = remoteBrokers({ brokers: [kafka.address] })
    const partitions = Array.from({ length: 20 }, (_, partition) => ({ partition, fetchOffset: 2, partitionMaxBytes: 1_000_000 }))
    const { signal } = new AbortController()
    takeAnyOrder(signal)
    const request = { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 'sessions', topicId, partitions }] }
    const ask = () => brokers.any().request(Fetch, request, signal)
    const ends = partitions.map(({ partition }) => [partition, 2])
    const ids = new Set<number | undefined>()
    for (let i = 0; i < 5; i++) {
      const { sessionId, responses } = await ask()
      ids.add(sessionId)
      const seen = responses.flatMap(({ partitions }) => partitions.map(answer => [answer.partitionIndex, answer.highWatermark]))
      expect(seen.sort(([a], [b]) => a - b)).toEqual(ends)
    }
    expect(ids.size).toBe(1)
    expect(ids).not.toContain(0)
    await producer.send('sessions', { partition: 3, value: 'news' })
    const told = (await ask()).responses.flatMap(({ partitions }) => partitions.filter(({ records }) => records?.length))
    expect(told).toMatchObject([{ partitionIndex: 3, highWatermark: 3 }])
    await brokers.close()
    await producer.close()
  })

  it('does the main job there', async () => {
    const tsx = ['node_modules/tsx/dist/cli.mjs', '--tsconfig', 'tsconfig.json']
    const output = await runCommand(process.execPath, [...tsx, 'examples/flights.ts', '--brokers', kafka.address], { cwd: root })
    for (const name of ['produced', 'group statistics', 'group copy', 'group replay'])
      expect(output).toMatch(new RegExp(`${name} +20,000 `))
    expect(output).toContain('same totals')
  })

  it.each(codecs)('exchanges batches with Java, %s', async codec => {
    if (codec === 'zstd' && process.versions.zstd === undefined) return
    const name = `java-${codec}`
    const producer = cluster.producer({ compression: codec })
    await producer.send(topic(name, { key: string, value: string, partitions: 1 }), { key: 'k', value: 'from here' })
    await producer.close()
    const at = ['--bootstrap-server', kafka.address, '--topic', name]
    await kafkaTool('org.apache.kafka.tools.ConsoleProducer', [...at, '--compression-codec', codec], 'from Java\n')
    const consumer = cluster.consumer({ groupId: name, topics: [topic(name, { key: bytes, value: string })], autoOffsetReset: 'earliest' })
    const seen: string[] = []
    for await (const record of consumer) {
      seen.push(record.value)
      if (seen.length === 2) break
    }
    await consumer.close()
    expect(seen).toEqual(['from here', 'from Java'])
    const read = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [...at, '--from-beginning', '--max-messages', '2'])
    expect(read.trim().split('\n')).toEqual(['from here', 'from Java'])
  })

  it.each(passwordMechanisms)('comes in by %s', async mechanism => {
    const password = 'secret'
    const username = mechanism === 'PLAIN' ? 'alice' : `bob-${mechanism}`
    if (mechanism !== 'PLAIN') await makeUser(kafka.address, mechanism, username, password)
    const known = await connect({ brokers: [secured], sasl: { mechanism, username, password } })
    await expect.poll(() => known.admin().listTopics()).toBeInstanceOf(Array)
    await known.close()
    const stranger = connect({ brokers: [secured], sasl: { mechanism, username, password: 'wrong' } })
    await expect(stranger).rejects.toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED' })
  })

  it('finds it again after it was stopped and started', async () => {
    const producer = cluster.producer()
    const value = { url: '/' }
    await producer.send(pageViews, { key: 'u', value })
    await kafka.stop()
    const [sent] = await Promise.all([producer.send(pageViews, { key: 'u', value }), kafka.start()])
    expect(sent.offset).toBeGreaterThan(0)
    await producer.close()
  }, 120_000)
})

/** Users of SCRAM are made over the plain listener. */
async function makeUser(address: string, mechanism: ScramMechanism, name: string, password: string): Promise<void> {
  const brokers = remoteBrokers({ brokers: [address] })
  const salt = new TextEncoder().encode('a salt for the test')
  const saltedPassword = await saltPassword(mechanism, password, salt, 4096)
  const number = mechanism === 'SCRAM-SHA-256' ? 1 : 2
  const upsertions = [{ name, mechanism: number, iterations: 4096, salt, saltedPassword }]
  const { results } = await brokers.any().request(AlterUserScramCredentials, { deletions: [], upsertions })
  await brokers.close()
  expect(results).toMatchObject([{ user: name, errorCode: 0 }])
}
