import type { MaybePromise } from '../../common/deferred.js'
import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import { groupOffsetsTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.js'
import type { Node } from '../node.js'
import type { RequestContext } from '../request-context.js'
import { abortableFor, fencedFor } from '../transaction-errors.js'
import { commitExisting } from './offset-commit.js'

type Request = RequestOf<typeof TxnOffsetCommit>
type Response = ResponseOf<typeof TxnOffsetCommit>

/** From this version on clients know TRANSACTION_ABORTABLE. */
const abortableVersion = 4
/** From this version on the group takes part in the transaction by this request alone (KIP-890). */
const implicitVersion = 5
/** From this version on clients say which member of the group they are. */
const memberVersion = 3

/** Commits offsets of a group with a transaction: they count once it is committed. */
export async function txnOffsetCommit(node: Node, request: Request, { apiVersion }: RequestContext): Promise<Response> {
  const { groupId, producerId, producerEpoch, topics } = request
  const partition = node.groups.partitionOf(groupId)
  const refusal = await joining(node, request, partition, apiVersion)
  if (refusal !== 'NONE') return refused(topics, errorNumber(shown(refusal, apiVersion)))
  const isIn = () => node.transactions.includes(producerId, producerEpoch, groupOffsetsTopic, partition)
  const ended = () => (isIn() ? 0 : errorNumber(shown('TRANSACTION_ABORTABLE', apiVersion)))
  const committed = await commitExisting(
    node,
    topics,
    () => errorNumber('UNKNOWN_TOPIC_OR_PARTITION'),
    known => node.groups.commitInTransaction({ ...request, topics: known }, ended)
  )
  return {
    topics: committed.map(({ name = '', partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, errorCode }) => ({ partitionIndex, errorCode: withoutMember(errorCode, apiVersion) }))
    }))
  }
}

function joining(node: Node, request: Request, partition: number, apiVersion: number): MaybePromise<ProtocolErrorCode> {
  const { transactions } = node
  if (request.groupId === '') return 'INVALID_GROUP_ID'
  if (apiVersion < implicitVersion) return transactions.verifyPartition(request, groupOffsetsTopic, partition)
  return transactions.addPartitions(request, new Map([[groupOffsetsTopic, new Set([partition])]]), 2)
}

function shown(error: ProtocolErrorCode, apiVersion: number): ProtocolErrorCode {
  // Clients of this API know the older word for it alone.
  if (error === 'COORDINATOR_NOT_AVAILABLE' || error === 'NOT_COORDINATOR') return 'COORDINATOR_NOT_AVAILABLE'
  if (error === 'CONCURRENT_TRANSACTIONS' && apiVersion < implicitVersion) return 'COORDINATOR_LOAD_IN_PROGRESS'
  return abortableFor(fencedFor(error, false), apiVersion >= abortableVersion)
}

/** Clients that do not say which member they are do not know the errors of members. */
function withoutMember(errorCode: number, apiVersion: number): number {
  if (apiVersion >= memberVersion) return errorCode
  const isOfMember = errorCode === errorNumber('UNKNOWN_MEMBER_ID') || errorCode === errorNumber('FENCED_INSTANCE_ID')
  return isOfMember ? errorNumber('ILLEGAL_GENERATION') : errorCode
}

function refused(topics: Request['topics'], errorCode: number): Response {
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode }))
    }))
  }
}
