import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Missing } from '../contest.js'
import { Inbox, messagesOf } from '../messages.js'
import type { Setting } from '../setting.js'
import { string, type TypedTopic, topic, wireModule } from './millrace.js'

/** Milliseconds of one producer that sends so many messages to a topic of one partition, and of one consumer that reads them. */
export interface Times {
  readonly producedAcks1: number
  readonly produced: number
  readonly consumed: number
}

export type KafkaClient = (address: string, count: number, setting: Setting) => Promise<Times>

const require = createRequire(new URL('../../../../package.json', import.meta.url))
let topics = 0

/** Hands `act` a new topic, which is gone afterwards: a server in memory would keep what nobody needs any more. */
async function withTopic<T>(address: string, act: (name: string) => Promise<T>): Promise<T> {
  const { connect } = await wireModule()
  const cluster = await connect({ brokers: [address] })
  const name = `socket-${process.pid}-${topics++}`
  await cluster.admin().createTopics([{ name, partitions: 1 }])
  const result = await act(name)
  await cluster.admin().deleteTopics([name])
  await cluster.close()
  return result
}

/** librdkafka, by its command-line tool. */
export const kcat: KafkaClient = async (address, count, setting) => {
  if (spawnSync('kcat', ['-V'], { stdio: 'ignore' }).error) throw new Missing('kcat is not installed')
  const folder = setting.folder()
  const [sent, received] = [join(folder, 'sent'), join(folder, 'received')]
  const lines = messagesOf(100)
    .map(({ key, value }) => `${key}|${value}\n`)
    .join('')
  writeFileSync(sent, lines.repeat(count / 1000))
  const at = (name: string) => ['-b', address, '-t', name, '-p', '0', '-q']
  const produce = async (name: string, acks: string) => {
    const from = performance.now()
    await promisify(execFile)('kcat', ['-P', ...at(name), '-X', `acks=${acks}`, '-K', '|', '-l', sent])
    return performance.now() - from
  }
  return withTopic(address, async name => {
    const produced = await produce(name, 'all')
    const from = performance.now()
    // It would stop asking, up to a second long, whenever it has a hundred thousand messages, and measure its own waiting.
    const eager = ['-X', `queued.min.messages=${count}`]
    await readAll(['-C', ...at(name), ...eager, '-o', 'beginning', '-c', String(count), '-f', '%k|%s\\n'], received)
    const consumed = performance.now() - from
    if (readFileSync(received).compare(readFileSync(sent)) !== 0) throw new Error('What came back is not what was sent')
    return { produced, producedAcks1: await withTopic(address, other => produce(other, '1')), consumed }
  })
}

/** Has kcat write to a file: a pipe through this process would be what is measured. */
async function readAll(args: readonly string[], file: string): Promise<void> {
  const output = openSync(file, 'w')
  const child = spawn('kcat', args, { stdio: ['ignore', output, 'ignore'] })
  const [code] = await once(child, 'close')
  closeSync(output)
  if (code !== 0) throw new Error(`kcat ended with ${code}`)
}

/** kafkajs: a thousand messages a send, then a group that reads batches. */
export const kafkajs: KafkaClient = async (address, count) => {
  const { Kafka, logLevel } = require('kafkajs') as typeof import('kafkajs')
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
  const messages = messagesOf(100)
  const produce = async (topic: string, acks: number) => {
    const producer = kafka.producer()
    await producer.connect()
    const from = performance.now()
    for (let sent = 0; sent < count; sent += messages.length) await producer.send({ topic, messages, acks })
    const ended = performance.now()
    await producer.disconnect()
    return ended - from
  }
  return withTopic(address, async name => {
    const produced = await produce(name, -1)
    const consumer = kafka.consumer({ groupId: name })
    await consumer.connect()
    await consumer.subscribe({ topic: name, fromBeginning: true })
    const inbox = new Inbox(count)
    let from = 0
    await consumer.run({
      async eachBatch({ batch }) {
        from ||= performance.now()
        for (const { key, value } of batch.messages) inbox.see(String(key), String(value))
      }
    })
    await inbox.done
    const consumed = performance.now() - from
    await consumer.disconnect()
    return { produced, producedAcks1: await withTopic(address, other => produce(other, 1)), consumed }
  })
}

/** Our own clients, over the socket. */
export const millraceClients: KafkaClient = async (address, count) => {
  const { connect } = await wireModule()
  const cluster = await connect({ brokers: [address] })
  const messages = messagesOf(100)
  const produce = async (target: TypedTopic<string, string>, acks: 'all' | 1) => {
    const producer = cluster.producer({ acks })
    const from = performance.now()
    for (let sent = 0; sent < count; sent += messages.length) await producer.sendBatch(target, messages)
    return performance.now() - from
  }
  const typed = (name: string) => topic(name, { key: string, value: string, partitions: 1 })
  const times = await withTopic(address, async name => {
    const target = typed(name)
    const produced = await produce(target, 'all')
    const consumer = cluster.consumer({ groupId: name, topics: [target], autoOffsetReset: 'earliest' })
    const inbox = new Inbox(count)
    let from = 0
    for await (const batch of consumer.batches()) {
      from ||= performance.now()
      for (const { key, value } of batch) inbox.see(key, value)
      if (inbox.isDone) break
    }
    const consumed = performance.now() - from
    await consumer.close()
    return { produced, producedAcks1: await withTopic(address, other => produce(typed(other), 1)), consumed }
  })
  await cluster.close()
  return times
}
