import type { Field, HeaderField } from '../../record/record.js'
import type { ConsumerRecord } from '../consumer-record.js'
import type { RejectedRecord } from '../rejection.js'
import type { TopicSerdes } from '../source/subscription.js'

/** As much of a producer as dead letters need. */
export interface DeadLetterProducer {
  send(
    topic: string,
    record: { key: Uint8Array | string | null; value: Uint8Array | string | null; headers: HeaderField[] }
  ): Promise<unknown>
}

/**
 * The destination of records that could not be handled: a function, which is awaited, or to a
 * topic. There a record keeps its key, value and headers, and gets five more: `dead-letter.topic`,
 * `.partition`, `.offset` and `.timestamp` say where it came from, `.error` what was wrong.
 */
export type DeadLetter<K = Uint8Array, V = Uint8Array> =
  | ((record: ConsumerRecord<K, V> | RejectedRecord, error: unknown) => unknown)
  | { readonly topic: string; readonly producer: DeadLetterProducer }

export type DeadLetterSink = (record: ConsumerRecord<unknown, unknown> | RejectedRecord, error: unknown) => Promise<void>

/**
 * A dead letter box of either kind as a function. `serdesOf` tells how a topic's records are
 * written.
 */
export function deadLetterSink<K, V>(deadLetter: DeadLetter<K, V>, serdesOf: (topic: string) => TopicSerdes): DeadLetterSink {
  if (typeof deadLetter === 'function') {
    return async (record, error) => {
      await deadLetter(record as ConsumerRecord<K, V> | RejectedRecord, error)
    }
  }
  const { topic, producer } = deadLetter
  return async (record, error) => {
    const isRejected = 'error' in record
    const serdes = serdesOf(record.topic)
    const key = isRejected ? record.key : written(serdes.key, record.key)
    const value = isRejected ? record.value : written(serdes.value, record.value)
    await producer.send(topic, { key, value, headers: [...record.headers, ...origin(record, error)] })
  }
}

function written(serde: TopicSerdes['key'], value: unknown): Field {
  return value === null ? null : serde.serialize(value)
}

function origin(record: ConsumerRecord<unknown, unknown> | RejectedRecord, error: unknown): HeaderField[] {
  const { topic, partition, offset, timestamp } = record
  return [
    { key: 'dead-letter.topic', value: topic },
    { key: 'dead-letter.partition', value: String(partition) },
    { key: 'dead-letter.offset', value: String(offset) },
    { key: 'dead-letter.timestamp', value: String(timestamp) },
    { key: 'dead-letter.error', value: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
  ]
}
