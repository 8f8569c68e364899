// A round of node-rdkafka. Prints one line of JSON for each check.
import { once } from 'node:events'
import { createRequire } from 'node:module'

const Kafka = createRequire(import.meta.url)('node-rdkafka')
const [address, zstd] = process.argv.slice(2)
const base = { 'metadata.broker.list': address }

async function check(what, act) {
  try {
    await act()
    console.log(JSON.stringify({ what }))
  } catch (error) {
    console.log(JSON.stringify({ what, problem: error.message }))
  }
}

function expectEqual(actual, expected) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`Expected ${right.slice(0, 200)}, got ${left.slice(0, 200)}`)
}

const promised = call => new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))))

async function ready(client) {
  const waiting = once(client, 'ready')
  client.connect({ timeout: 10_000 }, () => {})
  await waiting
  return client
}

async function produce(topic, messages, options = {}) {
  const producer = new Kafka.Producer({ ...base, dr_cb: true, ...options })
  const failures = []
  producer.on('delivery-report', error => error && failures.push(error.message))
  producer.setPollInterval(20)
  await ready(producer)
  for (const { key, value, timestamp } of messages)
    producer.produce(topic, null, Buffer.from(value), key, timestamp, undefined, [{ h: 'x' }])
  await promised(done => producer.flush(15_000, done))
  await promised(done => producer.disconnect(done))
  expectEqual(failures, [])
}

function consumer(groupId) {
  const options = { ...base, 'group.id': groupId, 'session.timeout.ms': 6000, 'fetch.wait.max.ms': 200 }
  return ready(new Kafka.KafkaConsumer(options, { 'auto.offset.reset': 'earliest' }))
}

async function read(source, count, timeoutMs = 20_000) {
  source.setDefaultConsumeTimeout(200)
  const got = []
  for (const end = Date.now() + timeoutMs; got.length < count && Date.now() < end; ) {
    got.push(...(await promised(done => source.consume(count - got.length, done))))
  }
  return got
}

const admin = Kafka.AdminClient.create(base)
await check('create and delete topics', async () => {
  await promised(done => admin.createTopic({ topic: 'rd-admin', num_partitions: 3, replication_factor: 1 }, 10_000, done))
  await promised(done => admin.createPartitions('rd-admin', 4, 10_000, done))
  await promised(done => admin.deleteTopic('rd-admin', 10_000, done))
})
for (const [codec, idempotent] of [...['none', 'gzip', 'snappy', 'lz4', 'zstd'].map(each => [each, false]), ['none', true]]) {
  // librdkafka is built where it is installed, without zstd where that library is absent.
  if (codec === 'zstd' && (zstd !== 'true' || !Kafka.features.includes('zstd'))) continue
  await check(`produce and consume ${idempotent ? 'idempotently' : codec}`, async () => {
    const topic = `rd-${codec}-${idempotent}`
    const messages = Array.from({ length: 300 }, (_, i) => ({ key: `k${i}`, value: `v${i}` }))
    await produce(topic, messages, { 'compression.codec': codec, 'enable.idempotence': idempotent })
    const source = await consumer(`${topic}-group`)
    source.subscribe([topic])
    const got = await read(source, 300)
    await promised(done => source.disconnect(done))
    expectEqual(
      got.map(({ key, value, headers }) => [String(key), String(value), String(headers[0].h)]),
      messages.map(({ key, value }) => [key, value, 'x'])
    )
  })
}
await check('share a group, and go on where it ended', async () => {
  await promised(done => admin.createTopic({ topic: 'rd-group', num_partitions: 4, replication_factor: 1 }, 10_000, done))
  await produce(
    'rd-group',
    Array.from({ length: 40 }, (_, i) => ({ key: `${i}`, value: `${i}` }))
  )
  const members = [await consumer('rd-shared'), await consumer('rd-shared')]
  for (const member of members) member.subscribe(['rd-group'])
  const got = (await Promise.all(members.map(member => read(member, 40, 8000)))).flat()
  expectEqual(new Set(got.map(({ value }) => String(value))).size, 40)
  expectEqual(
    members.map(member => member.assignments().length),
    [2, 2]
  )
  for (const member of members) {
    await promised(done => member.disconnect(done))
  }
  const again = await consumer('rd-shared')
  again.subscribe(['rd-group'])
  expectEqual((await read(again, 1, 3000)).length, 0)
  await promised(done => again.disconnect(done))
})
await check('seek, and find offsets by time', async () => {
  await produce(
    'rd-seek',
    [1000, 2000, 3000].map(timestamp => ({ key: null, value: String(timestamp), timestamp }))
  )
  const source = await consumer('rd-seek-group')
  const [found] = await promised(done => source.offsetsForTimes([{ topic: 'rd-seek', partition: 0, offset: 1500 }], 10_000, done))
  expectEqual(found.offset, 1)
  const { lowOffset, highOffset } = await promised(done => source.queryWatermarkOffsets('rd-seek', 0, 10_000, done))
  expectEqual([lowOffset, highOffset], [0, 3])
  source.assign([{ topic: 'rd-seek', partition: 0, offset: 2 }])
  expectEqual(
    (await read(source, 1)).map(({ value }) => String(value)),
    ['3000']
  )
  await promised(done => source.disconnect(done))
})
admin.disconnect()
process.exit(0)
