// Transactions of node-rdkafka (librdkafka): commit, abort, offsets in a transaction, fencing. Prints
// one line of JSON for each check.
import { once } from 'node:events'
import { createRequire } from 'node:module'

const Kafka = createRequire(import.meta.url)('node-rdkafka')
const [address] = process.argv.slice(2)
const base = { 'metadata.broker.list': address }
const promised = call => new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))))

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
  if (left !== right) throw new Error(`Expected ${right}, got ${left}`)
}

async function ready(client) {
  const waiting = once(client, 'ready')
  client.connect({ timeout: 10_000 }, () => {})
  await waiting
  return client
}

async function producerOf() {
  const producer = new Kafka.Producer({ ...base, 'transactional.id': 't-node', 'transaction.timeout.ms': 10_000 })
  producer.on('event.error', () => {})
  producer.setPollInterval(20)
  await ready(producer)
  await promised(done => producer.initTransactions(20_000, done))
  return producer
}

async function run(producer, value, commits) {
  await promised(done => producer.beginTransaction(done))
  producer.produce('node', 0, Buffer.from(value))
  if (commits) await promised(done => producer.commitTransaction(20_000, done))
  else await promised(done => producer.abortTransaction(20_000, done))
}

function consumerOf(groupId, options = {}) {
  const settings = {
    ...base,
    'group.id': groupId,
    'session.timeout.ms': 6000,
    'fetch.wait.max.ms': 200,
    'enable.auto.commit': false,
    ...options
  }
  return ready(new Kafka.KafkaConsumer(settings, { 'auto.offset.reset': 'earliest' }))
}

async function values(count, level) {
  const source = await consumerOf(`r-${level}`, { 'isolation.level': level })
  source.assign([{ topic: 'node', partition: 0, offset: 0 }])
  source.setDefaultConsumeTimeout(200)
  const got = []
  for (const end = Date.now() + 20_000; got.length < count && Date.now() < end; )
    got.push(...(await promised(done => source.consume(count - got.length, done))).map(({ value }) => String(value)))
  await promised(done => source.disconnect(done))
  return got
}

const first = await producerOf()
await check('commit and abort', async () => {
  await run(first, 'a', true)
  await run(first, 'B', false)
  await run(first, 'c', true)
  expectEqual(await values(2, 'read_committed'), ['a', 'c'])
})
await check('offsets in a transaction', async () => {
  const source = await consumerOf('g-node')
  source.assign([{ topic: 'node', partition: 0, offset: 0 }])
  for (const commits of [false, true]) {
    await promised(done => first.beginTransaction(done))
    await promised(done => first.sendOffsetsToTransaction([{ topic: 'node', partition: 0, offset: 4 }], source, 20_000, done))
    if (commits) await promised(done => first.commitTransaction(20_000, done))
    else await promised(done => first.abortTransaction(20_000, done))
    const [found] = await promised(done => source.committed([{ topic: 'node', partition: 0 }], 20_000, done))
    expectEqual(found.offset ?? null, commits ? 4 : null)
  }
  await promised(done => source.disconnect(done))
})
await check('fence a zombie', async () => {
  const second = await producerOf()
  await run(second, 'd', true)
  const zombie = await run(first, 'E', true).then(
    () => 'committed',
    () => 'refused'
  )
  expectEqual(zombie, 'refused')
  expectEqual(await values(3, 'read_committed'), ['a', 'c', 'd'])
  await promised(done => second.disconnect(done))
})
process.exit(0)
