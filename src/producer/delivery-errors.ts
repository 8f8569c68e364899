import { type ErrorCode, KafkaError } from '../errors.js'
import type { PartitionQueue } from './partition-queue.js'
import type { PartitionResponse } from './produce-call.js'
import type { ProducerBatch } from './producer-batch.js'
import { identityErrors } from './producer-identity.js'

/** The errors with which batches are given up. */

export function noLeader({ topic, partition }: PartitionQueue, isTopicKnown: boolean): KafkaError {
  return new KafkaError(isTopicKnown ? 'LEADER_NOT_AVAILABLE' : 'UNKNOWN_TOPIC_OR_PARTITION', undefined, { topic, partition })
}

export function noPartition({ topic, partition }: PartitionQueue, count: number): KafkaError {
  const message = `\`${topic}\` has no partition ${partition} any more: it was created anew with ${count}`
  return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition })
}

/** `idError` is why there is no producer id to send it with, if that is so. */
export function expired(queue: PartitionQueue, batch: ProducerBatch, deliveryTimeoutMs: number, idError?: unknown): KafkaError {
  const { topic, partition } = queue
  // A batch that never got its turn waited for those before it.
  const cause = batch.lastError ?? queue.lastError ?? idError
  const tries = batch.attempts === 1 ? 'one try' : `${batch.attempts} tries`
  const reason = cause instanceof Error ? `; the last error was: ${cause.message}` : ''
  return new KafkaError(codeOfDelay(cause), `Not delivered within ${deliveryTimeoutMs} ms, in ${tries}${reason}`, {
    topic,
    partition,
    cause
  })
}

/**
 * The code for records that ran out of time while every try failed with `cause`: a full disk is no
 * slow broker.
 */
export function codeOfDelay(cause: unknown): ErrorCode {
  return cause instanceof KafkaError && cause.code === 'KAFKA_STORAGE_ERROR' ? cause.code : 'REQUEST_TIMED_OUT'
}

/** The reason for calling a request back whose batches have all been given up. */
export function givenUp(): KafkaError {
  return new KafkaError('REQUEST_TIMED_OUT', 'Nobody waits any more for the batches of the request')
}

export function unanswered({ topic, partition }: PartitionQueue): KafkaError {
  return new KafkaError('UNKNOWN_SERVER_ERROR', 'The response leaves out the partition', { topic, partition })
}

export function unexpected(error: unknown, { topic, partition }: PartitionQueue): KafkaError {
  const reason = error instanceof Error ? error.message : String(error)
  return new KafkaError('UNKNOWN_SERVER_ERROR', `The request failed: ${reason}`, { topic, partition, cause: error })
}

/** The errors of single records, by their position in the batch. */
export function refusals(
  { recordErrors = [] }: PartitionResponse,
  { code, message, topic, partition }: KafkaError
): Map<number, KafkaError> {
  return new Map(
    recordErrors.map(({ batchIndex, batchIndexErrorMessage }) => [
      batchIndex,
      new KafkaError(code, batchIndexErrorMessage ?? message, { topic, partition })
    ])
  )
}

/** The error for the other records of such a batch. */
export function sharedRefusal(cause: KafkaError): KafkaError {
  const { code, topic, partition } = cause
  return new KafkaError(code, 'It was in one batch with a record that the broker refused', { topic, partition, cause })
}

/**
 * Errors after which a topic is looked up again: its leaders may have moved, or be out of reach.
 */
export const metadataErrors: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'NETWORK_EXCEPTION',
  'REQUEST_TIMED_OUT'
])

/** Errors of a leader that expects another sequence number, or has forgotten the producer. */
export const sequenceErrors: ReadonlySet<string> = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID'])
/** Errors with which a leader refuses a batch before it writes anything. */
export const refusalsForSure: ReadonlySet<string> = new Set([
  ...sequenceErrors,
  ...identityErrors,
  'CONCURRENT_TRANSACTIONS',
  'CONFLICT',
  'CORRUPT_MESSAGE',
  'INVALID_RECORD',
  'INVALID_REQUIRED_ACKS',
  'INVALID_TIMESTAMP',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_TXN_STATE',
  'MESSAGE_TOO_LARGE',
  'NOT_ENOUGH_REPLICAS',
  'POLICY_VIOLATION',
  'RECORD_LIST_TOO_LARGE',
  'THROTTLING_QUOTA_EXCEEDED',
  'TOPIC_AUTHORIZATION_FAILED',
  'TRANSACTION_ABORTABLE',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT'
])
