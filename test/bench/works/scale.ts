import { statfsSync } from 'node:fs'
import { type Contestant, Missing, million, type Work } from '../contest.js'
import { KeyedInbox, messagesOf } from '../messages.js'
import { Cluster, type Consumer, fileModule, string, topic } from '../peers/millrace.js'
import type { Setting } from '../setting.js'
import { stalls } from '../stalls.js'

const heapMiB = () =>
  stalls.aside(async () => {
    for (let time = 0; time < 2; time++) {
      globalThis.gc?.()
      await new Promise(setImmediate)
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return (heapUsed + arrayBuffers) / 2 ** 20
  })

/** One producer, one group, one topic of so many partitions. */
async function shareTopic(setting: Setting, partitions: number, members: number) {
  const count = setting.count(500_000)
  const messages = messagesOf(100)
  const shared = topic('shared', { key: string, value: string, partitions })
  const cluster = await Cluster.open()
  const before = await heapMiB()
  const begun = performance.now()
  await cluster.admin().createTopics([shared])
  const create = performance.now() - begun
  const rest = (await heapMiB()) - before
  const inbox = new KeyedInbox(count)
  const read = async (consumer: Consumer<typeof shared>) => {
    for await (const batch of consumer.batches()) {
      for (const { key, value } of batch) inbox.see(key, value)
    }
  }
  const consumers: Consumer<typeof shared>[] = []
  const reading: Promise<void>[] = []
  const joining = performance.now()
  while (consumers.length < members) {
    const consumer = cluster.consumer({ groupId: 'workers', topics: [shared], autoOffsetReset: 'earliest' })
    consumers.push(consumer)
    reading.push(read(consumer))
    // A thousand that were made in one stretch would be one stretch for the event loop.
    if (consumers.length % 100 === 0) await new Promise(setImmediate)
  }
  await assigned(consumers, partitions)
  const join = performance.now() - joining
  const producer = cluster.producer()
  const started = performance.now()
  for (let sent = 0; sent < count; sent += messages.length) {
    // Spread by hand, so that as many partitions are written to as there are; a key stays where it is.
    await producer.sendBatch(shared, spread(messages, partitions))
  }
  await Promise.race([inbox.done, Promise.all(reading)])
  const elapsed = performance.now() - started
  await cluster.close()
  await Promise.all(reading)
  return { rate: count / elapsed / 1000, create, join, rest }
}

function spread(messages: ReturnType<typeof messagesOf>, partitions: number) {
  return messages.map(({ key, value }) => ({ key, value, partition: (Number(key.slice(5)) * 103) % partitions }))
}

async function assigned(consumers: readonly { assignment(): readonly unknown[] }[], partitions: number): Promise<void> {
  for (;;) {
    let owned = 0
    for (const consumer of consumers) owned += consumer.assignment().length
    if (owned === partitions) return
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

const shareMetrics = [
  million,
  { name: 'create', title: 'create the topic', unit: 'ms', better: 'less' },
  { name: 'join', title: 'until the group is at work', unit: 'ms', better: 'less' },
  { name: 'rest', title: 'memory of an empty topic', unit: 'MiB', better: 'less' }
] as const

export const partitions: Work = {
  name: 'partitions',
  title: 'As partitions grow',
  about: 'Records of 100 bytes, in batches of 1000, to 97 keys spread over a topic of so many partitions; one consumer; in memory.',
  metrics: shareMetrics,
  contestants: [1, 10, 100, 1000, 10_000].map(count => ({
    name: `${count} partitions`,
    role: 'us',
    run: setting => shareTopic(setting, count, 1)
  })),
  curve: { over: 'partitions' }
}

export const consumers: Work = {
  name: 'consumers',
  title: 'As consumers grow',
  about: 'The same with 1000 partitions, shared by so many consumers of one group.',
  metrics: shareMetrics,
  contestants: [1, 10, 100, 1000].map(count => ({
    name: `${count} consumers`,
    role: 'us',
    run: setting => shareTopic(setting, 1000, count)
  })),
  curve: { over: 'consumers' }
}

/** Records of one size, a few at a time, through a log in memory. */
async function size(setting: Setting, kibibytes: number) {
  const bytes = kibibytes * 1024
  const total = Math.max(16, Math.round((1024 * setting.scale * 1024) / kibibytes))
  const target = topic('sizes', { key: string, value: string, partitions: 1 })
  const values = Array.from({ length: 10 }, (_, number) => String(number).repeat(bytes))
  const window = Math.max(1, Math.min(1000, Math.floor(1024 / kibibytes)))
  const cluster = await Cluster.open()
  await cluster.admin().createTopics([{ name: 'sizes', partitions: 1, configs: { 'max.message.bytes': 4 * 2 ** 20 } }])
  const producer = cluster.producer({ maxRequestSize: 4 * 2 ** 20 })
  const consumer = cluster.consumer({
    groupId: 'sizes',
    topics: [target],
    autoOffsetReset: 'earliest',
    maxPartitionFetchBytes: 4 * 2 ** 20
  })
  await consumer.start()
  const inbox = { seen: 0 }
  const started = performance.now()
  const reading = (async () => {
    for await (const batch of consumer.batches()) {
      for (const { value } of batch) {
        if (value.length !== bytes || value[0] !== String(inbox.seen % 10)) throw new Error(`Record ${inbox.seen} begins with ${value[0]}`)
        inbox.seen++
      }
      if (inbox.seen === total) return
    }
  })()
  for (let sent = 0; sent < total; ) {
    const many = Math.min(window, total - sent)
    const first = sent
    await producer.sendBatch(
      target,
      Array.from({ length: many }, (_, index) => ({ key: 'k', value: values[(first + index) % 10] }))
    )
    sent += many
  }
  await reading
  const elapsed = performance.now() - started
  await cluster.close()
  return { throughput: (total * bytes) / elapsed / 1000 }
}

export const recordSizes: Work = {
  name: 'record-sizes',
  title: 'As records grow',
  about: 'Values of so many KiB, sendBatch of about 1 MiB, one partition, one consumer that reads them as text; in memory.',
  metrics: [{ name: 'throughput', title: 'throughput', unit: 'MB/s', better: 'more' }],
  contestants: [1, 4, 16, 64, 256, 1023].map(kibibytes => ({
    name: `${kibibytes} KiB a record`,
    role: 'us',
    run: setting => size(setting, kibibytes)
  })),
  curve: { over: 'KiB' }
}

/** So many gigabytes in one partition on disk: written, closed, opened, and read from the middle. */
async function gigabytes(setting: Setting, full: number) {
  const bytes = full * 1e9 * Math.max(setting.scale, 0.001)
  const folder = setting.folder()
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize < bytes * 1.5) throw new Missing(`the disk has no room for ${full} GB`)
  const { fileStorage } = await fileModule()
  const messages = messagesOf(1000)
  const count = Math.ceil(bytes / 1_000_000) * messages.length
  const target = topic('large', { key: string, value: string, partitions: 1, configs: { 'retention.bytes': -1 } })
  const written = await Cluster.open({ storage: fileStorage(folder) })
  await written.admin().createTopics([target])
  const producer = written.producer()
  const started = performance.now()
  for (let sent = 0; sent < count; sent += messages.length) await producer.sendBatch(target, messages)
  const append = (count * 1010) / (performance.now() - started) / 1000
  await written.close()
  const reopening = performance.now()
  const opened = await Cluster.open({ storage: fileStorage(folder) })
  const open = performance.now() - reopening
  const consumer = opened.consumer({ key: string, value: string })
  consumer.assign([{ topic: 'large', partition: 0 }])
  consumer.seek({ topic: 'large', partition: 0, offset: Math.floor(count / 2) })
  const seeking = performance.now()
  for await (const { offset } of consumer) {
    if (offset !== Math.floor(count / 2)) throw new Error(`It began at ${offset}`)
    break
  }
  const find = performance.now() - seeking
  await opened.close()
  return { append, open, find, memory: await heapMiB() }
}

export const diskSizes: Work = {
  name: 'disk-sizes',
  title: 'As a log on disk grows',
  about: 'Records of 1000 bytes in one partition, written without fsync; closed, opened again, and read from the middle.',
  metrics: [
    { name: 'append', title: 'append', unit: 'MB/s', better: 'more' },
    { name: 'open', title: 'open', unit: 'ms', better: 'less' },
    { name: 'find', title: 'first record from the middle', unit: 'ms', better: 'less' }
  ],
  contestants: [1, 5, 20, 50].map(
    full => ({ name: `${full} GB on disk`, role: 'us', warmsUp: false, run: setting => gigabytes(setting, full) }) satisfies Contestant
  ),
  chart: 'open',
  curve: { over: 'GB' },
  rounds: 1,
  when: 'full'
}
