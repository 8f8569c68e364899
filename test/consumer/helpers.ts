import { Cluster, type ClusterOptions } from '../../src/cluster.js'
import type { ClusterClient } from '../../src/cluster-client.js'
import type { Consumer } from '../../src/consumer/consumer.js'
import type { ConsumerEvents } from '../../src/consumer/consumer-events.js'
import type { ConsumerOptions } from '../../src/consumer/consumer-options.js'
import type { ConsumerRecord } from '../../src/consumer/consumer-record.js'
import type { TopicSelector } from '../../src/consumer/source/subscription.js'
import { string } from '../../src/record/serde.js'

/** A cluster whose topics get three partitions. */
export function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  return Cluster.open({ ...options, configs: { 'num.partitions': 3, ...options.configs } })
}

/** A consumer of text that reads from the start. */
export function textConsumer(
  cluster: ClusterClient,
  options: ConsumerOptions<TopicSelector, string, string> = {}
): Consumer<TopicSelector, string, string> {
  return cluster.consumer({ autoOffsetReset: 'earliest', key: string, value: string, ...options })
}

/** Sends values to a partition, or to wherever their keys belong. */
export async function send(cluster: ClusterClient, topic: string, values: readonly string[], partition?: number): Promise<void> {
  await using producer = cluster.producer()
  await producer.sendBatch(
    topic,
    values.map(value => ({ key: value, value, ...(partition !== undefined && { partition }) }))
  )
}

/** Numbered values: `prefix0`, `prefix1`, … */
export function numbered(prefix: string, count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${first + index}`)
}

/** Reads until `count` records have come, counts them all as handled, and leaves the loop. */
export async function take(consumer: Consumer<TopicSelector, string, string>, count: number): Promise<ConsumerRecord<string, string>[]> {
  const records: ConsumerRecord<string, string>[] = []
  for await (const record of consumer) {
    records.push(record as ConsumerRecord<string, string>)
    if (records.length < count) continue
    if (consumer.memberId !== undefined) await consumer.commit()
    else consumer.seek({ ...record, offset: record.offset + 1 })
    break
  }
  return records
}

export async function takeValues(consumer: Consumer<TopicSelector, string, string>, count: number): Promise<string[]> {
  return (await take(consumer, count)).map(({ value }) => value)
}

/** The next event of this name. */
export function next<N extends keyof ConsumerEvents>(
  consumer: Consumer<TopicSelector, string, string>,
  event: N
): Promise<Parameters<ConsumerEvents[N]>[0]> {
  return new Promise(resolve => consumer.once(event, ((detail: Parameters<ConsumerEvents[N]>[0]) => resolve(detail)) as never))
}

/** Lets everything that waits for promises alone come to rest. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Waits until something is so; fails with the test's own time limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

/** Reads on in the background, and hands every record to `handle`. Resolves when the consumer is closed. */
export async function keepReading(
  consumer: Consumer<TopicSelector, string, string>,
  handle: (record: ConsumerRecord<string, string>) => void | Promise<void>
): Promise<void> {
  for await (const record of consumer) await handle(record as ConsumerRecord<string, string>)
}

let endsRead = 0

/** The values that a reader of committed records finds in a topic, each partition in its order. */
export async function committedValues(cluster: Cluster, topic: string): Promise<string[]> {
  const values: string[] = []
  const partitions = cluster.topics.get(topic)?.partitions ?? []
  if (partitions.every(({ lastStableOffset }) => lastStableOffset === 0)) return values
  const reader = textConsumer(cluster, { isolationLevel: 'read_committed' })
  reader.assign(partitions.map(({ partition }) => ({ topic, partition })))
  const end = `end${endsRead++}`
  for (const { partition } of partitions) await send(cluster, topic, [end], partition)
  let left = partitions.length
  for await (const { value } of reader) {
    if (!value.startsWith('end')) values.push(value)
    else if (value === end && --left === 0) break
  }
  await reader.close()
  return values
}

/** Sorts numbered values of a prefix of one character. */
export function byNumber(values: string[]): string[] {
  return values.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
}

/** The sum of the offsets that the group `g` has committed. */
export async function groupOffset(cluster: Cluster): Promise<number> {
  return (await cluster.admin().listGroupOffsets('g')).reduce((sum, { offset }) => sum + offset, 0)
}
