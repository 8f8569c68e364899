import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { concatBytes } from '../../src/common/bytes.js'
import { type Random, randomInteger } from '../../src/common/random.js'
import { apis } from '../../src/protocol/apis.js'
import { writeMessage } from '../../src/protocol/codec.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { Connection } from '../../src/wire/connection.js'
import { beginRequest, endFrame } from '../../src/wire/headers.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import { mutate, RandomMessages } from './random-message.js'

/**
 * A real node behind a real listener, and clients that say anything: whole requests with odd values, damaged ones, frames cut off, bytes
 * that are no request at all; some never read. Fails when the node fails in a way it did not foresee, or a well-behaved client is not served.
 */
export async function fuzzListener(random: Random, rounds: number): Promise<void> {
  const node = await LocalBroker.open({ storage: new MemoryStorage(), random, configs: { 'group.initial.rebalance.delay.ms': 0 } })
  const failures: unknown[] = []
  node.events.on('error', ({ error, during }) => failures.push(new Error(`During ${during}`, { cause: error })))
  const listener = await listen(node, { maxRequestBytes: 100_000, maxInFlightBytes: 1_000_000 })
  listener.on('error', error => failures.push(error))
  const messages = new RandomMessages(random, ['fuzz', 'fuzz-2', 'group', 'range', 'consumer', ''])
  try {
    for (let round = 0; round < rounds; round++) {
      await attack(random, messages, listener)
      if (round % 20 === 19) await serveWell(listener)
      if (failures.length > 0) throw failures[0]
    }
    await serveWell(listener)
  } finally {
    await listener.close()
    await node.close()
  }
  if (failures.length > 0) throw failures[0]
}

async function attack(random: Random, messages: RandomMessages, listener: Listener): Promise<void> {
  const socket = connect(listener.port, '127.0.0.1')
  socket.on('error', () => {})
  const reads = random.next() < 0.8
  if (reads) socket.resume()
  await once(socket, 'connect')
  const frames = Array.from({ length: 1 + randomInteger(random, 3) }, () => randomFrame(random, messages))
  socket.write(concatBytes(frames))
  if (random.next() < 0.7) socket.end()
  await Promise.race([ended(socket), tick(5)])
  socket.destroy()
}

function randomFrame(random: Random, messages: RandomMessages): Uint8Array {
  if (random.next() < 0.05) return messages.bytes(randomInteger(random, 300))
  const frame = randomRequest(random, messages)
  if (random.next() < 0.5) return frame
  const damaged = mutate(random, frame.subarray(4))
  const size = random.next() < 0.9 ? damaged.length : randomInteger(random, 200_000)
  return concatBytes([Uint8Array.of(size >> 24, size >> 16, size >> 8, size), damaged])
}

function randomRequest(random: Random, messages: RandomMessages): Uint8Array {
  const api = apis[randomInteger(random, apis.length)]
  const version = api.versions.min + randomInteger(random, api.versions.max - api.versions.min + 1)
  const writer = beginRequest(api, version, round31(random), 'fuzz')
  const body = messages.message(api.request.fields, version)
  if (api.name === 'Produce') giveRecords(random, body)
  if (api.name === 'CreateTopics' || api.name === 'CreatePartitions') boundPartitions(body)
  writeMessage(writer, api.request, version, body)
  return concatBytes(endFrame(writer))
}

/** Batches that are at least partly right, or the log would hardly be reached. */
function giveRecords(random: Random, body: Record<string, unknown>): void {
  for (const { partitionData } of body.topicData as { partitionData: { index: number; records: Uint8Array | null }[] }[]) {
    for (const partition of partitionData) {
      const { bytes } = RecordBatch.of([{ key: 'k', value: 'some value', timestamp: 1 }])
      partition.records = random.next() < 0.5 ? bytes.slice() : mutate(random, bytes)
      if (random.next() < 0.5) partition.index = 0
    }
  }
}

/** A great many partitions are a wish that a node may fulfil, in its time. */
function boundPartitions(body: Record<string, unknown>): void {
  for (const topic of body.topics as { numPartitions?: number; count?: number }[]) {
    if (topic.numPartitions !== undefined) topic.numPartitions = Math.min(topic.numPartitions, 20)
    if (topic.count !== undefined) topic.count = Math.min(topic.count, 20)
  }
}

async function serveWell(listener: Listener): Promise<void> {
  const connection = await Connection.open({ host: '127.0.0.1', port: listener.port }, { connectTimeoutMs: 5000 })
  connection.close()
}

function ended(socket: Socket): Promise<unknown> {
  return socket.closed ? Promise.resolve() : once(socket, 'close')
}

function tick(turns: number): Promise<void> {
  return new Promise(resolve => (turns === 0 ? resolve() : setImmediate(() => resolve(tick(turns - 1)))))
}

function round31(random: Random): number {
  return randomInteger(random, 2 ** 31)
}
