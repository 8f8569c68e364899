import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import kafkajsModule, { type Consumer } from 'kafkajs'
import { expectEqual, type ForeignClient, Round } from './client-round.js'

const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajsModule

/** kafkajs: the client that most of Node uses. */
export const kafkajs: ForeignClient = {
  name: 'kafkajs',
  missing: async () => undefined,
  version: async () => JSON.parse(readFileSync(createRequire(import.meta.url).resolve('kafkajs/package.json'), 'utf8')).version,
  async round(address) {
    const round = new Round()
    const kafka = new Kafka({ clientId: 'kafkajs-round', brokers: [address], logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    await round.check('create, describe and configure topics', async () => {
      await admin.createTopics({
        topics: [{ topic: 'kafkajs-admin', numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '1000' }] }]
      })
      const { topics } = await admin.fetchTopicMetadata({ topics: ['kafkajs-admin'] })
      expectEqual(topics[0].partitions.length, 3)
      await admin.createPartitions({ topicPartitions: [{ topic: 'kafkajs-admin', count: 4 }] })
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: 'kafkajs-admin', configEntries: [{ name: 'retention.ms', value: '5000' }] }]
      })
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: 'kafkajs-admin', configNames: ['retention.ms'] }]
      })
      expectEqual(resources[0].configEntries[0].configValue, '5000')
      await admin.deleteTopics({ topics: ['kafkajs-admin'] })
      expectEqual((await admin.listTopics()).includes('kafkajs-admin'), false)
    })
    for (const [codec, idempotent] of [
      ['none', false],
      ['gzip', false],
      ['none', true]
    ] as const) {
      await round.check(`produce and consume ${idempotent ? 'idempotently' : codec}`, async () => {
        const topic = `kafkajs-${codec}-${idempotent}`
        const producer = kafka.producer({ idempotent })
        await producer.connect()
        const messages = Array.from({ length: 200 }, (_, i) => ({ key: `k${i}`, value: `v${i}`, headers: { h: 'x' } }))
        await producer.send({ topic, messages, compression: codec === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None })
        await producer.disconnect()
        const got = await readAll(kafka.consumer({ groupId: `${topic}-group`, maxWaitTimeInMs: 200 }), topic, 200)
        expectEqual(got.sort(), messages.map(({ key, value }) => `${key}=${value} x`).sort())
      })
    }
    await round.check('share a group, rebalance when a member leaves, and commit', async () => {
      const topic = 'kafkajs-group'
      await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
      const groupId = 'kafkajs-shared'
      const seen = new Set<string>()
      const members = [0, 1].map(() =>
        kafka.consumer({ groupId, maxWaitTimeInMs: 200, sessionTimeout: 10_000, heartbeatInterval: 500, rebalanceTimeout: 10_000 })
      )
      const assigned = members.map(
        member =>
          new Promise<number>(resolve =>
            member.on(member.events.GROUP_JOIN, ({ payload }) => payload.memberAssignment[topic]?.length === 2 && resolve(2))
          )
      )
      await Promise.all(
        members.map(async member => {
          await member.connect()
          await member.subscribe({ topic, fromBeginning: true })
          await member.run({ eachMessage: async ({ message }) => void seen.add(String(message.value)) })
        })
      )
      await Promise.all(assigned)
      const producer = kafka.producer()
      await producer.connect()
      const send = (from: number) =>
        producer.send({ topic, messages: Array.from({ length: 50 }, (_, i) => ({ key: String(i), value: `m${from + i}` })) })
      await send(0)
      await until(() => seen.size === 50)
      const joined = new Promise<void>(resolve =>
        members[1].on(members[1].events.GROUP_JOIN, ({ payload }) => payload.memberAssignment[topic]?.length === 4 && resolve())
      )
      await members[0].disconnect()
      await joined
      await send(50)
      await until(() => seen.size === 100)
      await members[1].disconnect()
      await producer.disconnect()
      const offsets = await admin.fetchOffsets({ groupId, topics: [topic] })
      expectEqual(
        offsets[0].partitions.reduce((sum, { offset }) => sum + Number(offset), 0),
        100
      )
      const { groups } = await admin.describeGroups([groupId])
      expectEqual(groups[0].state, 'Empty')
      await admin.deleteGroups([groupId])
    })
    await round.check('seek, and find offsets by time', async () => {
      const topic = 'kafkajs-seek'
      const producer = kafka.producer()
      await producer.connect()
      await producer.send({
        topic,
        messages: [1000, 2000, 3000].map(timestamp => ({ value: String(timestamp), timestamp: String(timestamp) }))
      })
      await producer.disconnect()
      const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, 1500)
      expectEqual(offset, '1')
      const consumer = kafka.consumer({ groupId: 'kafkajs-seek-group', maxWaitTimeInMs: 200 })
      const got: string[] = []
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      const run = consumer.run({ eachMessage: async ({ message }) => void got.push(String(message.value)) })
      consumer.seek({ topic, partition: 0, offset: '2' })
      await run
      await until(() => got.includes('3000'))
      await consumer.disconnect()
      expectEqual(got, ['3000'])
    })
    await admin.disconnect()
    return round.checks
  }
}

async function readAll(consumer: Consumer, topic: string, count: number): Promise<string[]> {
  const got: string[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void got.push(`${message.key}=${message.value} ${message.headers?.h}`) })
  await until(() => got.length >= count)
  await consumer.disconnect()
  return got
}

export async function until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!condition()) {
    if (Date.now() > end) throw new Error(`It did not come to this within ${timeoutMs} ms: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
