import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { ConflictError, errorNumber } from '../../errors.js'
import { RecordValidationError } from '../../log/append/batch-validation.js'
import { ReservedError } from '../../log/keys/reservations.js'
import type { AppendCondition, AppendInfo } from '../../log/log-types.js'
import { isInternalTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { Produce } from '../../protocol/messages/produce.js'
import {
  attribute,
  attributesAt,
  batchSizeAt,
  currentMagic,
  field,
  headerBytes,
  isTransactional,
  producerIdAt
} from '../../record/batch-header.js'
import type { ProduceNode } from '../node.js'
import { appendToPartition, backlogOf, type Partition } from '../partition.js'
import { newestVersion, type RequestContext, wasSentSince } from '../request-context.js'
import { joinTransaction, shownToProducer, type Unjoined } from '../transactional-produce.js'
import { eachPartitionOnce, type PartitionsOf } from './each-partition-once.js'

type Request = RequestOf<typeof Produce>
type Response = ResponseOf<typeof Produce>
type TopicResponse = Response['responses'][number]
type PartitionResponse = TopicResponse['partitionResponses'][number]

/** A batch that is appended on a condition. */
export interface ConditionalBatch {
  readonly condition: AppendCondition
  /** The condition that did not hold, if there was one. */
  conflict?: ConflictError
}

/** Stands for the time of a batch that is not to be held. */
const doNotHold = -1
const zstdId = 4
const firstVersionWithZstd = 7
/** From this version on topics go by their ids alone. */
const firstVersionWithIds = 13

/**
 * Appends each batch to its partition's log, each on its own. One replica is all there is, so a
 * batch that was appended has satisfied every kind of acks; in process even acks=0 is answered, and
 * whoever sent it need not look.
 */
export function produce(
  node: ProduceNode,
  request: Request,
  context: RequestContext,
  signal?: AbortSignal,
  unjoined?: Unjoined
): MaybePromise<Response> {
  const refusal = refusalOf(request)
  const acksError = request.acks < -1 || request.acks > 1 ? errorNumber('INVALID_REQUIRED_ACKS') : 0
  if (unjoined === undefined && refusal === 0 && acksError === 0 && request.transactionalId != null) {
    // Batches of a transaction may have to wait for its coordinator.
    const joining = joinTransaction(node, request, context.apiVersion)
    if (isPromise(joining)) return joining.then(those => produce(node, request, context, signal, those))
    unjoined = joining
  }
  const topicData = eachPartitionOnce(request.topicData, byPartition)
  const responses = new Array<TopicResponse>(topicData.length)
  const hasIds = wasSentSince(firstVersionWithIds, context.apiVersion)
  // A producer in this process sends such a batch again by itself, so that it does not hold up
  // those that came with it.
  const isShared = context.apiVersion === newestVersion && (topicData.length > 1 || topicData[0]?.partitionData.length > 1)
  const timeoutMs = isShared ? doNotHold : request.timeoutMs
  let pending: Promise<void>[] | undefined
  for (let t = 0; t < topicData.length; t++) {
    const { name = '', topicId = zeroUuid, partitionData } = topicData[t]
    const topic = node.findTopic(name, topicId)
    const partitionResponses = new Array<PartitionResponse>(partitionData.length)
    for (let p = 0; p < partitionData.length; p++) {
      const { index, records } = partitionData[p]
      const partition = topic?.partitions[index]
      if (refusal !== 0) partitionResponses[p] = refused(index, refusal)
      else if (!partition)
        partitionResponses[p] = refused(index, topic ? unknownPartition : hasIds ? unknownId : node.unknownTopicError(topicId))
      else if (unjoined?.has(partition)) partitionResponses[p] = refused(index, unjoined.get(partition) as number)
      else {
        const response = appendTo(node, partition, records, acksError, timeoutMs, context, signal)
        if (!isPromise(response)) partitionResponses[p] = response
        else if (pending) pending.push(settled(response, partitionResponses, p))
        else pending = [settled(response, partitionResponses, p)]
      }
    }
    responses[t] = { name: topic?.name ?? name, topicId: topic?.id ?? topicId, partitionResponses }
  }
  const response: Response = { responses, throttleTimeMs: 0 }
  const answer = pending ? Promise.all(pending).then(() => response) : response
  return context.writes ? context.writes.answer(answer, bytesOf(request), () => responses.map(({ name = '' }) => name)) : answer
}

function bytesOf({ topicData }: Request): number {
  let bytes = 0
  for (const { partitionData } of topicData) for (const { records } of partitionData) bytes += records?.length ?? 0
  return bytes
}

type ProducedTopic = Request['topicData'][number]

const byPartition: PartitionsOf<ProducedTopic, ProducedTopic['partitionData'][number]> = {
  key: ({ name = '', topicId = zeroUuid }) => (topicId === zeroUuid ? name : topicId),
  partitions: ({ partitionData }) => partitionData,
  index: ({ index }) => index,
  withPartitions: (topic, partitionData) => ({ ...topic, partitionData })
}

/** Refuses the whole request, since it has transactional batches and names no transactional id. */
function refusalOf({ transactionalId, topicData }: Request): number {
  if (transactionalId == null)
    for (const { partitionData } of topicData)
      for (const { records } of partitionData)
        if (records && isTransactional(records)) return errorNumber('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  return 0
}

async function settled(response: Promise<PartitionResponse>, responses: PartitionResponse[], place: number): Promise<void> {
  responses[place] = await response
}

const corrupt = errorNumber('CORRUPT_MESSAGE')
const unknownId = errorNumber('UNKNOWN_TOPIC_ID')
const unknownPartition = errorNumber('UNKNOWN_TOPIC_OR_PARTITION')

/** Appends one batch for a client, once there is room for it. */
export function appendTo(
  node: ProduceNode,
  partition: Partition,
  records: Uint8Array | null,
  acksError: number,
  timeoutMs: number,
  context: RequestContext,
  signal: AbortSignal | undefined,
  conditional?: ConditionalBatch
): MaybePromise<PartitionResponse> {
  if (records === null || records.length < headerBytes)
    return refused(partition.partition, errorNumber('INVALID_RECORD'), 'Expected one batch of records for each partition')
  const size = batchSizeAt(records, 0)
  if (size > records.length) return refused(partition.partition, errorNumber('INVALID_RECORD'), `The batch of ${size} bytes is cut off`)
  if (size < records.length && size >= headerBytes) {
    const isBatch = nextBatchAt(records, size)
    if (isBatch === undefined) return refused(partition.partition, corrupt, `What follows the batch of ${size} bytes is no batch`)
    if (isBatch) return refused(partition.partition, errorNumber('INVALID_RECORD'), 'Expected one batch of records for each partition')
    return appendTo(node, partition, records.subarray(0, size), acksError, timeoutMs, context, signal, conditional)
  }
  if (context.apiVersion < firstVersionWithZstd && (attributesAt(records, 0) & attribute.codecMask) === zstdId)
    return refused(partition.partition, errorNumber('UNSUPPORTED_COMPRESSION_TYPE'))
  if (acksError !== 0) return refused(partition.partition, acksError)
  if (isInternalTopic(partition.topic)) return refused(partition.partition, errorNumber('INVALID_TOPIC_EXCEPTION'))
  const backlog = backlogOf(partition)
  if (node.backlog.hasRoom(backlog, records.length)) return append(node, partition, records, context, conditional)
  if (timeoutMs === doNotHold && backlog.quota.policy === 'producer_request_hold') {
    const reason = node.backlog.reasonToWait(backlog, records.length)
    return reason === undefined
      ? append(node, partition, records, context, conditional)
      : refused(partition.partition, errorNumber('THROTTLING_QUOTA_EXCEEDED'), reason)
  }
  try {
    const response = node.backlog.admit(backlog, records.length, timeoutMs, signal, () =>
      append(node, partition, records, context, conditional)
    )
    return isPromise(response) ? response.catch(error => failed(node, partition, error, signal, conditional)) : response
  } catch (error) {
    return failed(node, partition, error)
  }
}

/**
 * True if a whole batch begins at `position`; false where there is a part of one at most, which
 * Kafka passes over, and undefined where what is there can be none.
 */
function nextBatchAt(records: Uint8Array, position: number): boolean | undefined {
  const left = records.length - position
  if (left < leastBytesToTell) return false
  const size = batchSizeAt(records, position)
  if (size < leastBatchBytes || records[position + field.magic] > currentMagic) return undefined
  return size <= left
}

/** Up to the magic byte, and the smallest batch that Kafka ever had. */
const leastBytesToTell = 17
const leastBatchBytes = 26

function append(
  node: ProduceNode,
  partition: Partition,
  records: Uint8Array,
  context: RequestContext,
  conditional: ConditionalBatch | undefined
): MaybePromise<PartitionResponse> {
  try {
    const info = appendToPartition(partition, records, context.origin, conditional?.condition)
    if (!isPromise(info)) return appended(partition, info)
    return info.then(
      written => appended(partition, written),
      error => notAppended(node, partition, records, context, error, conditional)
    )
  } catch (error) {
    return notAppended(node, partition, records, context, error, conditional)
  }
}

/**
 * Tells why a batch was not appended. Where a transaction has reserved what it would write, its
 * producer tries again, or aborts a transaction of its own.
 */
function notAppended(
  node: ProduceNode,
  partition: Partition,
  records: Uint8Array,
  { apiVersion }: RequestContext,
  error: unknown,
  conditional: ConditionalBatch | undefined
): PartitionResponse {
  if (conditional || !(error instanceof ReservedError)) return failed(node, partition, error, undefined, conditional)
  // Of two transactions that would wait for each other one gives up.
  const givesUp = isTransactional(records) && producerIdAt(records, 0) > error.holder
  const code = shownToProducer(givesUp ? 'TRANSACTION_ABORTABLE' : 'CONCURRENT_TRANSACTIONS', apiVersion)
  return refused(partition.partition, errorNumber(code), error.message)
}

function appended(partition: Partition, { baseOffset, logAppendTime, logStartOffset }: AppendInfo): PartitionResponse {
  return { index: partition.partition, errorCode: 0, baseOffset, logAppendTimeMs: logAppendTime, logStartOffset }
}

const withoutLogStart: ReadonlySet<number> = new Set(
  (
    [
      'NOT_LEADER_OR_FOLLOWER',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_ID',
      'MESSAGE_TOO_LARGE',
      'RECORD_LIST_TOO_LARGE',
      'CORRUPT_MESSAGE',
      'KAFKA_STORAGE_ERROR'
    ] as const
  ).map(errorNumber)
)

function failed(
  node: ProduceNode,
  partition: Partition,
  error: unknown,
  signal?: AbortSignal,
  conditional?: ConditionalBatch
): PartitionResponse {
  if (partition.isDeleted) return refused(partition.partition, unknownPartition)
  // Nobody waits for the answer any more.
  if (signal?.aborted && error === signal.reason) return refused(partition.partition, errorNumber('REQUEST_TIMED_OUT'))
  if (conditional && error instanceof ConflictError) {
    conditional.conflict = error
    return refused(partition.partition, 0, error.message)
  }
  const during = `an append to ${partition.topic}-${partition.partition}`
  const response = refused(partition.partition, node.errorNumberFor(error, during), error instanceof Error ? error.message : null)
  // As Kafka, tells where the log starts, but for errors that it takes for those of the partition.
  if (!withoutLogStart.has(response.errorCode)) response.logStartOffset = partition.logStartOffset
  if (error instanceof RecordValidationError)
    response.recordErrors = error.recordErrors.map(({ batchIndex, message }) => ({ batchIndex, batchIndexErrorMessage: message }))
  return response
}

function refused(index: number, errorCode: number, errorMessage: string | null = null): PartitionResponse {
  return { index, errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, errorMessage }
}
