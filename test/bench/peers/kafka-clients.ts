import { execFile, spawnSync } from 'node:child_process'
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Missing } from '../contest.js'
import { Inbox, messagesOf } from '../messages.js'
import type { Setting } from '../setting.js'
import { string, topic, wireModule } from './millrace.js'

/** One producer that sends so many messages to a topic of one partition, then one consumer that reads them; milliseconds of each. */
export type KafkaClient = (address: string, count: number, setting: Setting) => Promise<{ produced: number; consumed: number }>

const require = createRequire(new URL('../../../../package.json', import.meta.url))
let topics = 0
const newTopic = () => `socket-${process.pid}-${topics++}`

/** librdkafka, by its command-line tool. */
export const kcat: KafkaClient = async (address, count, setting) => {
  if (spawnSync('kcat', ['-V'], { stdio: 'ignore' }).error) throw new Missing('kcat is not installed')
  const name = newTopic()
  const folder = setting.folder()
  const [sent, received] = [join(folder, 'sent'), join(folder, 'received')]
  const lines = messagesOf(100)
    .map(({ key, value }) => `${key}|${value}\n`)
    .join('')
  writeFileSync(sent, lines.repeat(count / 1000))
  const options = ['-b', address, '-t', name, '-p', '0', '-q']
  const producing = performance.now()
  await promisify(execFile)('kcat', ['-P', ...options, '-K', '|', '-l', sent])
  const produced = performance.now() - producing
  const consuming = performance.now()
  await readAll(['-C', ...options, '-o', 'beginning', '-c', String(count), '-f', '%k|%s\\n'], received)
  const consumed = performance.now() - consuming
  if (readFileSync(received).compare(readFileSync(sent)) !== 0) throw new Error('What came back is not what was sent')
  return { produced, consumed }
}

function readAll(args: readonly string[], file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile('kcat', args, { maxBuffer: 2 ** 31 - 1, encoding: 'buffer' }, (error, stdout) => {
      if (error) return reject(error)
      const output = createWriteStream(file)
      output.end(stdout, () => resolve())
    })
    child.on('error', reject)
  })
}

/** kafkajs: a thousand messages a send, then a group that reads batches. */
export const kafkajs: KafkaClient = async (address, count) => {
  const { Kafka, logLevel } = require('kafkajs') as typeof import('kafkajs')
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
  const name = newTopic()
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 1 }] })
  await admin.disconnect()
  const producer = kafka.producer()
  await producer.connect()
  const messages = messagesOf(100)
  const producing = performance.now()
  for (let sent = 0; sent < count; sent += messages.length) await producer.send({ topic: name, messages })
  const produced = performance.now() - producing
  await producer.disconnect()
  const consumer = kafka.consumer({ groupId: name })
  await consumer.connect()
  await consumer.subscribe({ topic: name, fromBeginning: true })
  const inbox = new Inbox(count)
  let consuming = 0
  await consumer.run({
    async eachBatch({ batch }) {
      consuming ||= performance.now()
      for (const { key, value } of batch.messages) inbox.see(String(key), String(value))
    }
  })
  await inbox.done
  const consumed = performance.now() - consuming
  await consumer.disconnect()
  return { produced, consumed }
}

/** Our own clients, over the socket. */
export const millraceClients: KafkaClient = async (address, count) => {
  const { connect } = await wireModule()
  const cluster = await connect({ brokers: [address] })
  const target = topic(newTopic(), { key: string, value: string, partitions: 1 })
  await cluster.admin().createTopics([target])
  const producer = cluster.producer()
  const messages = messagesOf(100)
  const producing = performance.now()
  for (let sent = 0; sent < count; sent += messages.length) await producer.sendBatch(target, messages)
  const produced = performance.now() - producing
  const consumer = cluster.consumer({ groupId: target.name, topics: [target], autoOffsetReset: 'earliest' })
  const inbox = new Inbox(count)
  let consuming = 0
  for await (const batch of consumer.batches()) {
    consuming ||= performance.now()
    for (const { key, value } of batch) inbox.see(key, value)
    if (inbox.isDone) break
  }
  const consumed = performance.now() - consuming
  await cluster.close()
  return { produced, consumed }
}
