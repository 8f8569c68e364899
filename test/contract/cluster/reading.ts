import type { ClusterClient } from '../../../src/cluster-client.js'
import type { Consumer, ConsumerOptions, ConsumerRecord, TopicSelector } from '../../../src/index.js'
import { string } from '../../../src/index.js'

export type TextConsumer = Consumer<TopicSelector, string, string>
export type TextRecord = ConsumerRecord<string, string>

/** A consumer of text that reads from the start, and is quick to learn what happens elsewhere. */
export function textConsumer(cluster: ClusterClient, options: ConsumerOptions<TopicSelector, string, string>): TextConsumer {
  return cluster.consumer({
    key: string,
    value: string,
    autoOffsetReset: 'earliest',
    ...(options.groupId !== undefined && { heartbeatIntervalMs: 50 }),
    metadataMaxAgeMs: 100,
    ...options
  })
}

/** Reads `count` records, and leaves the last one in hand unhandled unless `finish` says otherwise. */
export async function take<R>(
  consumer: AsyncIterable<R>,
  count: number,
  finish: (last: R) => Promise<void> = async () => {}
): Promise<R[]> {
  const records: R[] = []
  if (count === 0) return records
  for await (const record of consumer) {
    records.push(record)
    if (records.length < count) continue
    await finish(record)
    break
  }
  return records
}

/** Reads `count` values and counts them all as handled. */
export async function takeValues(consumer: TextConsumer, count: number): Promise<string[]> {
  const finish = async (last: TextRecord) => {
    if (consumer.memberId === undefined) consumer.seek({ ...last, offset: last.offset + 1 })
    else await consumer.commit()
  }
  return (await take(consumer as AsyncIterable<TextRecord>, count, finish)).map(({ value }) => value)
}

/** Reads on in the background until the consumer is closed; what went wrong is in the promise. */
export async function readOn(consumer: TextConsumer, handle: (record: TextRecord) => void | Promise<void>): Promise<void> {
  for await (const record of consumer) await handle(record as TextRecord)
}

export function numbered(prefix: string, count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${first + i}`)
}

/** Sends values to a partition, or to wherever their keys, which are the same, belong. */
export async function send(cluster: ClusterClient, topic: string, values: readonly string[], partition?: number): Promise<void> {
  await using producer = cluster.producer()
  await producer.sendBatch(
    topic,
    values.map(value => ({ key: value, value, ...(partition !== undefined && { partition }) }))
  )
}
