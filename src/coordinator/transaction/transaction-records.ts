import type { StateRecord } from '../../common/state-machine.js'
import { KafkaError } from '../../errors.js'
import { array, int8, int16, int32, int64, schema, string } from '../../protocol/message.js'
import { decode, encode, versionOf } from '../record-codec.js'
import { type Partitions, type TransactionState, transactionStatuses } from './transaction-state.js'

/**
 * The records of `__transaction_state`, as Kafka writes them:
 *     key   := type: int16 (0), transactionalId
 *     value := version: int16, its fields        (no value: the transactional id has expired)
 */
const transactionKey = schema({
  name: 'TransactionLogKey',
  versions: '0',
  flexible: 'none',
  fields: { transactionalId: string() }
})

const transactionValue = schema({
  name: 'TransactionLogValue',
  versions: '0-1',
  flexible: '1+',
  fields: {
    producerId: int64(),
    previousProducerId: int64({ versions: '1+', tag: 0, default: -1 }),
    nextProducerId: int64({ versions: '1+', tag: 1, default: -1 }),
    producerEpoch: int16(),
    transactionTimeoutMs: int32(),
    transactionStatus: int8(),
    transactionPartitions: array({ topic: string(), partitionIds: array(int32()) }, { nullable: '0+' }),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64(),
    clientTransactionVersion: int16({ versions: '1+', tag: 2, default: 0 })
  }
})

const keyType = 0
const newestVersion = 1

export interface TransactionRecord {
  readonly transactionalId: string
  /** Null where it has expired. */
  readonly value: TransactionState | null
}

export function transactionRecord(transactionalId: string, state: TransactionState | null): StateRecord {
  const key = keyOf(transactionalId)
  if (!state) return { key, value: null }
  const value = encode(transactionValue, newestVersion, {
    producerId: state.producerId,
    previousProducerId: state.previousProducerId,
    nextProducerId: state.nextProducerId,
    producerEpoch: state.producerEpoch,
    transactionTimeoutMs: state.timeoutMs,
    transactionStatus: transactionStatuses.indexOf(state.status),
    // Kafka has none where there is no transaction.
    transactionPartitions: state.status === 'Empty' ? null : listed(state.partitions),
    transactionLastUpdateTimestampMs: state.lastUpdateTimestamp,
    transactionStartTimestampMs: state.startTimestamp,
    clientTransactionVersion: state.clientVersion
  })
  const record = { key, value }
  latest = { value, record: { transactionalId, value: state } }
  return record
}

/** The key of a record. Records of an id mostly follow each other: the last key is kept. */
function keyOf(transactionalId: string): Uint8Array {
  if (latestKey?.transactionalId !== transactionalId)
    latestKey = { transactionalId, key: encode(transactionKey, keyType, { transactionalId }) }
  return latestKey.key
}

let latestKey: { readonly transactionalId: string; readonly key: Uint8Array } | undefined

/**
 * The record that was encoded last. Mostly it is the next that is replayed, and need not be
 * decoded.
 */
let latest: { readonly value: Uint8Array; readonly record: TransactionRecord } | undefined

function listed(partitions: Partitions): { topic: string; partitionIds: number[] }[] {
  return Array.from(partitions, ([topic, indexes]) => ({ topic, partitionIds: [...indexes] }))
}

/**
 * Decodes a record; undefined for a type that is not for us. Throws a `KafkaError` when it is
 * damaged or too new.
 */
export function readTransactionRecord({ key, value }: StateRecord): TransactionRecord | undefined {
  if (value !== null && latest?.value === value) return latest.record
  if (!key || versionOf(key) !== keyType) return undefined
  const { transactionalId } = decode(transactionKey, key)
  return { transactionalId, value: value && readState(transactionalId, value) }
}

function readState(transactionalId: string, value: Uint8Array): TransactionState {
  const read = decode(transactionValue, value)
  const status = transactionStatuses[read.transactionStatus]
  if (!status)
    throw new KafkaError('CORRUPT_MESSAGE', `The status of the transactional id \`${transactionalId}\` is ${read.transactionStatus}`)
  return {
    transactionalId,
    producerId: read.producerId,
    previousProducerId: read.previousProducerId ?? -1,
    nextProducerId: read.nextProducerId ?? -1,
    producerEpoch: read.producerEpoch,
    timeoutMs: read.transactionTimeoutMs,
    status,
    partitions: new Map((read.transactionPartitions ?? []).map(({ topic, partitionIds }) => [topic, new Set(partitionIds)])),
    startTimestamp: read.transactionStartTimestampMs,
    lastUpdateTimestamp: read.transactionLastUpdateTimestampMs,
    clientVersion: read.clientTransactionVersion ?? 0
  }
}
