// A round of @platformatic/kafka, on the Node that it wants. Prints one line of JSON for each check.
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const [address, zstd] = process.argv.slice(2)
const base = { clientId: 'platformatic-round', bootstrapBrokers: [address] }

async function check(what, act) {
  try {
    await act()
    console.log(JSON.stringify({ what }))
  } catch (error) {
    const causes = (error.errors ?? []).map(each => each.message)
    console.log(JSON.stringify({ what, problem: [error.message, ...causes].join(' / ') }))
  }
}

function expectEqual(actual, expected) {
  if (JSON.stringify(actual) !== JSON.stringify(expected))
    throw new Error(`Expected ${JSON.stringify(expected).slice(0, 200)}, got ${JSON.stringify(actual).slice(0, 200)}`)
}

const newConsumer = groupId =>
  new Consumer({
    ...base,
    groupId,
    deserializers: stringDeserializers,
    maxWaitTime: 200,
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    rebalanceTimeout: 10_000
  })

async function read(consumer, options, count) {
  const stream = await consumer.consume({ autocommit: true, mode: 'committed', fallbackMode: 'earliest', ...options })
  const got = []
  for await (const message of stream) {
    got.push(message)
    if (got.length === count) break
  }
  await stream.close()
  return got
}

const admin = new Admin(base)
await check('create, list and delete topics', async () => {
  await admin.createTopics({ topics: ['pl-admin'], partitions: 3, replicas: 1 })
  expectEqual((await admin.listTopics()).includes('pl-admin'), true)
  await admin.createPartitions({ topics: [{ name: 'pl-admin', count: 4, assignments: null }] })
  await admin.deleteTopics({ topics: ['pl-admin'] })
  expectEqual((await admin.listTopics()).includes('pl-admin'), false)
})
for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  if (compression === 'zstd' && zstd !== 'true') continue
  await check(`produce (idempotently) and consume ${compression}`, async () => {
    const topic = `pl-${compression}`
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 })
    const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true })
    const messages = Array.from({ length: 200 }, (_, i) => ({ topic, key: `k${i}`, value: `v${i}`, headers: { h: 'x' } }))
    await producer.send({ messages, compression, acks: -1 })
    await producer.close()
    const consumer = newConsumer(`${topic}-group`)
    const got = await read(consumer, { topics: [topic] }, 200)
    await consumer.close(true)
    expectEqual(
      got.map(({ key, value, headers }) => [key, value, headers.get('h')]),
      messages.map(({ key, value }) => [key, value, 'x'])
    )
  })
}
await check('share a group, and go on where it ended', async () => {
  await admin.createTopics({ topics: ['pl-group'], partitions: 4, replicas: 1 })
  const producer = new Producer({ ...base, serializers: stringSerializers })
  const send = async from =>
    producer.send({ messages: Array.from({ length: 40 }, (_, i) => ({ topic: 'pl-group', key: String(i), value: `m${from + i}` })) })
  const consumers = [newConsumer('pl-shared'), newConsumer('pl-shared')]
  const seen = new Set()
  const streams = await Promise.all(
    consumers.map(consumer => consumer.consume({ topics: ['pl-group'], autocommit: true, mode: 'committed', fallbackMode: 'earliest' }))
  )
  for (const stream of streams) stream.on('data', ({ value }) => seen.add(value))
  const until = async size => {
    for (const end = Date.now() + 25_000; seen.size < size; await new Promise(resolve => setTimeout(resolve, 20))) {
      if (Date.now() > end) throw new Error(`Only ${seen.size} of ${size} arrived`)
    }
  }
  await send(0)
  await until(40)
  expectEqual(
    consumers.map(consumer => consumer.assignments?.[0]?.partitions.length),
    [2, 2]
  )
  await streams[0].close()
  await consumers[0].close()
  await send(40)
  await until(80)
  await streams[1].close()
  await consumers[1].close()
  await producer.close()
  const groups = await admin.describeGroups({ groups: ['pl-shared'] })
  expectEqual(groups.get('pl-shared')?.state?.toLowerCase(), 'empty')
})
await check('find offsets by time, and begin there', async () => {
  const producer = new Producer({ ...base, serializers: stringSerializers })
  await admin.createTopics({ topics: ['pl-time'], partitions: 1, replicas: 1 })
  await producer.send({ messages: [1000n, 2000n, 3000n].map(timestamp => ({ topic: 'pl-time', value: String(timestamp), timestamp })) })
  await producer.close()
  const consumer = newConsumer('pl-time-group')
  const offsets = await consumer.listOffsets({ topics: ['pl-time'], timestamp: 1500n })
  expectEqual(String(offsets.get('pl-time')?.[0]), '1')
  const got = await read(consumer, { topics: ['pl-time'], mode: 'manual', offsets: [{ topic: 'pl-time', partition: 0, offset: 1n }] }, 2)
  await consumer.close(true)
  expectEqual(
    got.map(({ value }) => value),
    ['2000', '3000']
  )
})
await admin.close()
