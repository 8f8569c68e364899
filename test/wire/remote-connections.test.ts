import { afterEach, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { connect } from '../../src/wire/connect.js'
import { type Listener, listen } from '../../src/wire/listener.js'

const opened: AsyncDisposable[] = []

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]()
})

function keep<T extends AsyncDisposable>(what: T): T {
  opened.push(what)
  return what
}

async function setUp(partitions: number) {
  const cluster = keep(await Cluster.open())
  await cluster.admin().createTopic({ name: 't', partitions })
  const listener = keep(await listen(cluster))
  return { cluster, listener, remote: keep(await connect({ brokers: [listener.address] })) }
}

async function untilAllHaveLeft(listener: Listener): Promise<void> {
  while (listener.connectionCount > 0) await new Promise(setImmediate)
}

/** Two that are shared, a fetch under way, two that were given up, and a spare one. */
const aHandful = 6

it('a consumer that pauses and resumes a hundred times keeps a handful of connections, and closes them all', async () => {
  const { cluster, listener, remote } = await setUp(100)
  const consumer = remote.consumer({ topics: ['t'] })
  const read = new Set<number>()
  const reading = (async () => {
    for await (const { partition } of consumer) if (read.add(partition).size === 100) return
  })()
  await consumer.start()
  consumer.pause()
  let most = 0
  for (let partition = 0; partition < 100; partition++) {
    consumer.resume([{ topic: 't', partition }])
    await new Promise(resolve => setTimeout(resolve, 1))
    most = Math.max(most, listener.connectionCount)
  }
  expect(most).toBeLessThanOrEqual(aHandful)
  await cluster.producer().sendBatch(
    't',
    Array.from({ length: 100 }, (_, partition) => ({ partition, value: 'v' }))
  )
  await reading
  await consumer.close()
  await remote.close()
  await untilAllHaveLeft(listener)
})

it('a seek does not wait for a fetch that the broker holds', async () => {
  const { cluster, listener, remote } = await setUp(1)
  await cluster.producer().sendBatch('t', [{ value: 'a' }, { value: 'b' }])
  // Far longer than this test may take.
  const consumer = keep(remote.consumer({ topics: ['t'], autoOffsetReset: 'earliest', fetchMaxWaitMs: 600_000 }))
  const records = consumer[Symbol.asyncIterator]()
  for (let offset = 0; offset < 2; offset++) expect((await records.next()).value?.offset).toBe(offset)
  for (const offset of [1, 0]) {
    const pending = records.next()
    consumer.seek({ topic: 't', partition: 0, offset })
    expect((await pending).value?.offset).toBe(offset)
  }
  expect(listener.connectionCount).toBeLessThanOrEqual(aHandful)
})

it('what producers, consumers and admins open at a broker elsewhere is closed with the cluster', async () => {
  const { listener, remote } = await setUp(4)
  const producer = remote.producer()
  await producer.send('t', { value: 'v' })
  const consumers = Array.from({ length: 3 }, () => remote.consumer({ groupId: 'g', topics: ['t'] }))
  await Promise.all(consumers.map(consumer => consumer.start()))
  await remote.admin().listTopics()
  expect(listener.connectionCount).toBeGreaterThan(2)
  await remote.close()
  await untilAllHaveLeft(listener)
})
