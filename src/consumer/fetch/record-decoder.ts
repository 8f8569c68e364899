import type { TopicPartition } from '../../assignor/assignor.js'
import { copyBytes } from '../../common/bytes.js'
import type { RecordHeader } from '../../record/record.js'
import type { RecordCursor } from '../../record/record-cursor.js'
import { type Serde, string } from '../../record/serde.js'
import type { AssignedPartition } from '../assigned-partition.js'
import { ConsumerRecord } from '../consumer-record.js'
import type { RejectedRecord } from '../rejection.js'
import { readShortText } from '../short-text.js'
import type { FetchedRecords } from './fetched-records.js'

const noHeaders: readonly RecordHeader[] = Object.freeze([])

/**
 * The current record of what was fetched, with everything decoded or copied. Throws what a serde
 * throws.
 */
export function decodeRecord(partition: AssignedPartition, fetched: FetchedRecords): ConsumerRecord<unknown, unknown> {
  const { cursor } = fetched
  return new ConsumerRecord(
    partition.topic,
    partition.partition,
    cursor.offset,
    cursor.timestamp,
    decodeField(partition.serdes.key, cursor.bytes, cursor.keyStart, cursor.keyLength),
    decodeField(partition.serdes.value, cursor.bytes, cursor.valueStart, cursor.valueLength),
    cursor.headerCount === 0 ? noHeaders : copyHeaders(cursor),
    fetched.leaderEpoch
  )
}

/** Text, which most keys and many values are, is read without making a view of its bytes first. */
export function decodeField(serde: Serde<unknown>, bytes: Uint8Array, start: number, length: number): unknown {
  if (length < 0) return null
  if (serde === string) return readShortText(bytes, start, start + length)
  return serde.deserialize(bytes.subarray(start, start + length))
}

/**
 * The record at which a cursor stands as it is, in copies, for whoever deals with records that
 * cannot be decoded.
 */
export function rejectedRecord({ topic, partition }: TopicPartition, cursor: RecordCursor, error: unknown): RejectedRecord {
  return {
    topic,
    partition,
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    key: copyOf(cursor.key()),
    value: copyOf(cursor.value()),
    headers: copyHeaders(cursor),
    error
  }
}

export function copyHeaders(cursor: RecordCursor): RecordHeader[] {
  return cursor.headers().map(({ key, value }) => ({ key, value: copyOf(value) }))
}

function copyOf(view: Uint8Array | null): Uint8Array | null {
  return view && copyBytes(view)
}
