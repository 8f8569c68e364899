import { KafkaError } from '../errors.js'
import { SendBatchError } from '../producer/receipt.js'

/**
 * Errors that say that a record of the output is not as its topic wants it: no other try mends
 * that.
 */
const recordErrors: ReadonlySet<string> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'SERIALIZATION'
])

/** Errors after which a producer is of no further use. */
const producerErrors: ReadonlySet<string> = new Set([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TXN_STATE',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID'
])

/** Errors that are not retriable by themselves, but pass with the next transaction. */
const passing: ReadonlySet<string> = new Set([
  ...producerErrors,
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'TRANSACTION_ABORTABLE',
  'POLICY_VIOLATION'
])

/** The error of one record behind that of its batch. */
export function rootOf(error: unknown): unknown {
  return error instanceof SendBatchError ? error.cause : error
}

export function isRecordError(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof KafkaError && recordErrors.has(error.code))
}

export function endsProducer(error: unknown): boolean {
  return error instanceof KafkaError && producerErrors.has(error.code)
}

/** True if a transaction that failed with it is worth another try. */
export function isPassing(error: unknown): boolean {
  return error instanceof KafkaError && (error.retriable || passing.has(error.code))
}
