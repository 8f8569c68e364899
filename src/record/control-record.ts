import { readInt16, readInt32, writeInt16, writeInt32 } from '../common/bytes.js'
import { KafkaError } from '../errors.js'
import { BatchBuilder } from './batch-builder.js'

/** By the number in the key of a control record. */
const controlTypes = ['ABORT', 'COMMIT', 'LEADER_CHANGE', 'SNAPSHOT_HEADER', 'SNAPSHOT_FOOTER', 'KRAFT_VERSION', 'KRAFT_VOTERS'] as const

/** The kind of a control record; `'UNKNOWN'` for numbers that a later Kafka may add. */
export type ControlType = (typeof controlTypes)[number] | 'UNKNOWN'

/** The end of a transaction in one partition. */
export interface TransactionMarker {
  readonly type: 'COMMIT' | 'ABORT'
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly leaderEpoch?: number
}

/**
 * A batch that ends a transaction. It holds one record:
 *
 *     key   := version: int16 = 0, type: int16        value := version: int16 = 0, coordinatorEpoch: int32
 */
export function transactionMarkerBatch(marker: TransactionMarker): Uint8Array {
  const key = controlKeyOf(marker.type)
  const value = new Uint8Array(6)
  writeInt32(value, 2, marker.coordinatorEpoch)
  const builder = new BatchBuilder({ initialBytes: 128 })
  builder.append(marker.timestamp, key, value)
  const { producerId, producerEpoch, leaderEpoch } = marker
  return builder.build({ producerId, producerEpoch, leaderEpoch, transactional: true, control: true })
}

/** The key of a control record. */
export function controlKeyOf(type: Exclude<ControlType, 'UNKNOWN'>): Uint8Array {
  const key = new Uint8Array(4)
  writeInt16(key, 2, controlTypes.indexOf(type))
  return key
}

/** Decodes the key of a control record. */
export function controlTypeOf(key: Uint8Array | null): ControlType {
  if (key === null || key.length < 4) throw new KafkaError('INVALID_RECORD', 'A control record has no type')
  const version = readInt16(key, 0)
  if (version < 0) throw new KafkaError('INVALID_RECORD', `The version of a control record is ${version}`)
  return controlTypes[readInt16(key, 2)] ?? 'UNKNOWN'
}

/** The epoch of the coordinator that wrote a transaction marker. */
export function coordinatorEpochOf(value: Uint8Array | null): number {
  if (value === null || value.length < 6) throw new KafkaError('INVALID_RECORD', 'A transaction marker has no coordinator epoch')
  return readInt32(value, 2)
}
