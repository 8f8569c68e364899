import type { Bus, BusRun } from '../bus-run.js'
import type { Inbox, Message } from '../messages.js'
import { bytes, Cluster, type Consumer, type Producer, type ProducerOptions, string, type TypedTopic, topic } from './millrace.js'

type TextTopic = TypedTopic<string, string>
type Send = (producer: Producer, target: TextTopic, messages: readonly Message[], count: number) => Promise<void>
type Read = (consumer: Consumer<TextTopic>, inbox: Inbox) => Promise<void>

/** A cluster in memory, one partition, and a consumer group for every subscriber. */
export function millraceBus(
  send: Send,
  read: Read,
  value: 'text' | 'bytes' = 'text',
  options: ProducerOptions = {},
  isolationLevel?: 'read_committed' | 'read_uncommitted'
): Bus {
  return async ({ messages, count, inboxes }: BusRun) => {
    const target = topic('bus', { key: string, value: value === 'text' ? string : (bytes as unknown as typeof string), partitions: 1 })
    const cluster = await Cluster.open()
    await cluster.admin().createTopics([target])
    const producer = cluster.producer(options)
    const consumers = inboxes.map((_, index) =>
      cluster.consumer({
        groupId: `subscriber-${index}`,
        topics: [target],
        autoOffsetReset: 'earliest',
        ...(isolationLevel && { isolationLevel })
      })
    )
    for (const consumer of consumers) await consumer.start()
    const started = performance.now()
    const reading = consumers.map((consumer, index) => read(consumer, inboxes[index]))
    await Promise.all([send(producer, target, messages, count), ...reading])
    const elapsed = performance.now() - started
    await cluster.close()
    return elapsed
  }
}

export const sendBatches: Send = async (producer, target, messages, count) => {
  for (let sent = 0; sent < count; sent += messages.length) await producer.sendBatch(target, messages)
}

/** The same with values that are bytes already, as what comes from a socket or a file is. */
export const sendBatchesOfBytes: Send = (producer, target, messages, count) => {
  const encoder = new TextEncoder()
  const inBytes = messages.map(({ key, value }) => ({ key, value: encoder.encode(value) as unknown as string }))
  return sendBatches(producer, target, inBytes, count)
}

/** Groups of `size` records, one after the other. */
export const sendGroups =
  (size: number): Send =>
  async (producer, target, messages, count) => {
    for (const group of groupsOf(messages, size, count)) await producer.sendBatch(target, group)
  }

/** Each group in a transaction. */
export const sendTransactions =
  (size: number): Send =>
  async (producer, target, messages, count) => {
    for (const group of groupsOf(messages, size, count)) await producer.transaction(tx => tx.sendBatch(target, group))
  }

/** The messages over and over again, in groups. */
function* groupsOf(messages: readonly Message[], size: number, count: number): Generator<readonly Message[]> {
  const all = size > messages.length ? Array.from({ length: size }, (_, i) => messages[i % messages.length]) : messages
  for (let sent = 0; sent < count; sent += size) {
    const first = sent % all.length
    yield all.slice(first, Math.min(first + size, first + count - sent))
  }
}

export const sendWindows: Send = async (producer, target, messages, count) => {
  for (let sent = 0; sent < count; sent += messages.length) {
    await Promise.all(messages.map(message => producer.send(target, message)))
  }
}

export const sendOneByOne: Send = async (producer, target, messages, count) => {
  for (let sent = 0; sent < count; sent++) await producer.send(target, messages[sent % messages.length])
}

export const readCursors: Read = async (consumer, inbox) => {
  for await (const batch of consumer.batches()) {
    const cursor = batch.cursor()
    const { raw } = cursor
    while (cursor.next()) inbox.seeBytes(raw.bytes, raw.valueStart)
    if (inbox.isDone) break
  }
}

export const readBatches: Read = async (consumer, inbox) => {
  for await (const batch of consumer.batches()) {
    for (const { key, value } of batch) inbox.see(key, value)
    if (inbox.isDone) break
  }
}

export const readBatchesOfBytes: Read = async (consumer, inbox) => {
  for await (const batch of consumer.batches()) {
    for (const { value } of batch) inbox.seeBytes(value as unknown as Uint8Array)
    if (inbox.isDone) break
  }
}

export const readRecords: Read = async (consumer, inbox) => {
  for await (const { key, value } of consumer) {
    inbox.see(key, value)
    if (inbox.isDone) break
  }
}
