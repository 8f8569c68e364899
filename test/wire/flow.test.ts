import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backlogOf } from '../../src/broker/partition.js'
import { Cluster } from '../../src/cluster.js'
import type { ClusterClient } from '../../src/cluster-client.js'
import type { KafkaError } from '../../src/errors.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { connect } from '../../src/wire/connect.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import { textConsumer, until } from '../consumer/helpers.js'
import { joinAlone } from './group-client.js'
import { RawClient } from './raw-client.js'

let node: Cluster
let listener: Listener
const remotes: ClusterClient[] = []

/** A topic that holds some ten records of the tests. */
const small = { 'segment.bytes': 3000, 'retention.bytes': 10_000 }
const value = 'x'.repeat(1000)
const count = 300

beforeEach(async () => {
  node = await Cluster.open({ configs: { 'millrace.reader.quiet.ms': 500, 'group.min.session.timeout.ms': 100 } })
  listener = await listen(node)
  await node.admin().createTopic({ name: 'bus', partitions: 1, configs: small })
})

afterEach(async () => {
  for (const remote of remotes.splice(0)) await remote.close()
  await listener.close()
  await node.close()
})

async function remote(): Promise<ClusterClient> {
  const cluster = await connect({ brokers: [listener.address] })
  remotes.push(cluster)
  return cluster
}

async function sendAll(cluster: ClusterClient): Promise<void> {
  const producer = cluster.producer({ batchSize: 1 })
  for (let i = 0; i < count; i++) await producer.send('bus', { value: `${i} ${value}` })
}

const backlog = () => backlogOf(node.topic('bus').partitions[0])
const isHeld = () => backlog().held.length > 0
const all = Array.from({ length: count }, (_, i) => i)

describe('a reader over the wire', () => {
  it.each([
    ['in a group', { groupId: 'g', topics: ['bus'], clientId: 'reader-1' }],
    ['in a group whose members share a name', { groupId: 'g', topics: ['bus'], autoCommitIntervalMs: 50 }],
    ['without a group', { topics: ['bus'] }]
  ])('gets every record from a faster producer, %s', async (_, options) => {
    const consumer = textConsumer(await remote(), options)
    await consumer.start()
    const seen: number[] = []
    const reading = (async () => {
      for await (const record of consumer) {
        seen.push(Number.parseInt(record.value, 10))
        if (seen.length === count) break
      }
    })()
    // Without a group nobody knows of a reader before its first fetch.
    await until(() => backlog().slowest() !== undefined)
    await Promise.all([sendAll(node), reading])
    expect(seen).toEqual(all)
    expect(node.topic('bus').partitions[0].lostRecords).toBe(0)
  })

  it('is named in the error of a producer that it held for too long', async () => {
    const consumer = textConsumer(await remote(), { topics: ['bus'], clientId: 'slow-reader' })
    await consumer.start()
    void (async () => {
      for await (const _ of consumer) await new Promise(() => {})
    })()
    await until(() => backlog().slowest() !== undefined)
    const producer = node.producer({ batchSize: 1, deliveryTimeoutMs: 400 })
    let failure: KafkaError | undefined
    for (let i = 0; i < 40 && !failure; i++) await producer.send('bus', { value }).catch(error => (failure = error))
    expect(failure?.code).toBe('REQUEST_TIMED_OUT')
    expect(failure?.message).toMatch(/the client `slow-reader` at \/127\.0\.0\.1 is \d+ records, \d+ bytes, behind in bus-0/)
  })

  it('holds nobody for longer than its session when it dies, in a group', async () => {
    using client = await RawClient.connect(listener.port)
    await joinAlone(client, 'g', 'bus', 300)
    const sending = sendAll(node)
    await until(isHeld)
    client.socket.destroy()
    await sending
  })

  it('holds nobody for long when it falls silent, without a group', async () => {
    using client = await RawClient.connect(listener.port)
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000, currentLeaderEpoch: -1 }]
    client.request(Fetch, 11, { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000, topics: [{ topic: 'bus', partitions }] })
    await client.response(Fetch, 11)
    const sending = sendAll(node)
    await until(isHeld)
    await sending
  })
})

describe('a producer over the wire', () => {
  it('is held, not failed, until the reader has read', async () => {
    const consumer = textConsumer(node, { groupId: 'g', topics: ['bus'] })
    await consumer.start()
    const sending = sendAll(await remote())
    await until(isHeld)
    const seen: number[] = []
    for await (const record of consumer) {
      seen.push(Number.parseInt(record.value, 10))
      if (seen.length === count) break
    }
    await sending
    expect(seen).toEqual(all)
  })

  it('is answered when the listener closes meanwhile, and its batch is not appended', async () => {
    await textConsumer(node, { groupId: 'g', topics: ['bus'] }).start()
    using client = await RawClient.connect(listener.port)
    const records = RecordBatch.of([{ value }]).bytes
    const request = { acks: -1, timeoutMs: 30_000, topicData: [{ name: 'bus', partitionData: [{ index: 0, records }] }] }
    let answers = 0
    while (!isHeld()) {
      client.request(Produce, 9, request)
      const answered = client.response(Produce, 9).then(() => answers++)
      await Promise.race([answered, until(isHeld)])
    }
    const end = node.topic('bus').partitions[0].logEndOffset
    await listener.close()
    expect(answers).toBe(end)
    expect(isHeld()).toBe(false)
    expect(node.topic('bus').partitions[0].logEndOffset).toBe(end)
  })
})
