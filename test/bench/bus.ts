/**
 * How fast records pass through millrace in memory, by the public API: produced, kept in a log, read by one consumer group.
 *
 *     npm run bench [-- --records 1000000 --rounds 5]
 *
 * The floor is an EventEmitter that hands the same objects to a listener and keeps nothing. Rounds are interleaved; medians are printed,
 * in millions of records per second, with the ratio to the floor of the same run.
 */
import { EventEmitter } from 'node:events'
import { parseArgs } from 'node:util'
import { bytes, Cluster, type Producer, string, topic } from 'millrace'

const { values: args } = parseArgs({ options: { records: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '5' } } })
const recordCount = Number(args.records)
const rounds = Number(args.rounds)
const windowSize = 1000

interface Message {
  key: string
  value: Uint8Array
}

const messages: Message[] = Array.from({ length: windowSize }, (_, i) => ({ key: `user-${i % 97}`, value: new Uint8Array(100).fill(65 + (i % 26)) }))
const texts = messages.map(({ key, value }) => ({ key, value: Buffer.from(value).toString('latin1') }))

const bytesTopic = topic('bus-bytes', { key: string, value: bytes, partitions: 1 })
const textTopic = topic('bus-text', { key: string, value: string, partitions: 1 })

const works: Record<string, () => Promise<number>> = {
  'EventEmitter (floor, keeps nothing)': async () => {
    const emitter = new EventEmitter()
    let seen = 0
    emitter.on('message', (message: Message) => {
      seen += message.key.length > 0 && message.value.length > 0 ? 1 : 0
    })
    const started = performance.now()
    for (let sent = 0; sent < recordCount; sent++) emitter.emit('message', messages[sent % windowSize])
    if (seen !== recordCount) throw new Error(`saw ${seen}`)
    return performance.now() - started
  },
  'sendBatch → cursor, offsets only': () =>
    throughBus(bytesTopic.name, sendBatches, async consumer => {
      let seen = 0
      for await (const batch of consumer.batches()) {
        const cursor = batch.cursor()
        while (cursor.next()) seen++
        if (seen >= recordCount) break
      }
      return seen
    }),
  'sendBatch → batches, key and value (text) read': () =>
    throughBus(textTopic.name, sendBatches, async consumer => {
      let seen = 0
      for await (const batch of consumer.batches()) {
        for (const record of batch) if (record.key !== null && record.value !== null) seen++
        if (seen >= recordCount) break
      }
      return seen
    }),
  'sendBatch → batches, key and value (bytes) read': () =>
    throughBus(bytesTopic.name, sendBatches, async consumer => {
      let seen = 0
      for await (const batch of consumer.batches()) {
        for (const record of batch) if (record.key !== null && record.value !== null) seen++
        if (seen >= recordCount) break
      }
      return seen
    }),
  'sendBatch → for await, key and value (text) read': () => throughBus(textTopic.name, sendBatches, countRecords),
  'send in windows of 1000 → for await': () => throughBus(textTopic.name, sendWindows, countRecords),
  'await send, one by one → for await': () => throughBus(textTopic.name, sendOneByOne, countRecords, recordCount / 5)
}

type Consume = ReturnType<Cluster['consumer']>

async function throughBus(
  name: string,
  produce: (producer: Producer, name: string, count: number) => Promise<void>,
  consume: (consumer: Consume, count: number) => Promise<number>,
  count = recordCount
): Promise<number> {
  const cluster = await Cluster.open()
  try {
    const target = name === textTopic.name ? textTopic : bytesTopic
    await cluster.admin().createTopics([target])
    const producer = cluster.producer()
    const consumer = cluster.consumer({ groupId: 'bench', topics: [target as typeof textTopic], autoOffsetReset: 'earliest' })
    const started = performance.now()
    const consumed = consume(consumer as Consume, count)
    await produce(producer, name, count)
    const seen = await consumed
    const elapsed = performance.now() - started
    if (seen !== count) throw new Error(`saw ${seen} of ${count}`)
    return (elapsed * recordCount) / count
  } finally {
    await cluster.close()
  }
}

async function countRecords(consumer: Consume, count: number): Promise<number> {
  let seen = 0
  for await (const record of consumer) {
    if (record.key !== null && record.value !== null) seen++
    if (seen === count) break
  }
  return seen
}

async function sendBatches(producer: Producer, name: string, count: number): Promise<void> {
  const target = name === textTopic.name ? textTopic : bytesTopic
  const batch = (name === textTopic.name ? texts : messages) as never
  for (let sent = 0; sent < count; sent += windowSize) await producer.sendBatch(target as never, batch)
}

async function sendWindows(producer: Producer, _name: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += windowSize) {
    const window: Promise<unknown>[] = []
    for (const message of texts) window.push(producer.send(textTopic, message))
    await Promise.all(window)
  }
}

async function sendOneByOne(producer: Producer, _name: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) await producer.send(textTopic, texts[sent % windowSize])
}

const results = new Map<string, number[]>(Object.keys(works).map(name => [name, []]))
for (let round = 0; round < rounds + 1; round++) {
  for (const [name, work] of Object.entries(works)) {
    const elapsed = await work()
    if (round > 0) results.get(name)?.push(recordCount / elapsed / 1000)
  }
}

const median = (numbers: number[]) => numbers.slice().sort((a, b) => a - b)[numbers.length >> 1]
const floor = median(results.get(Object.keys(works)[0]) as number[])
console.log(`${recordCount} records of 100 bytes with a key, Node ${process.version}, median of ${rounds} rounds\n`)
for (const [name, figures] of results) {
  const sorted = figures.slice().sort((a, b) => a - b)
  const spread = `${sorted[0].toFixed(2)} to ${(sorted.at(-1) as number).toFixed(2)}`
  console.log(`${name.padEnd(50)} ${median(figures).toFixed(2).padStart(7)} M/s  (${spread})  ${(median(figures) / floor).toFixed(3)} of the floor`)
}
