import type { MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import { groupOffsetsTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.js'
import type { Node } from '../node.js'
import type { RequestContext } from '../request-context.js'
import { abortableFor, fencedFor } from '../transaction-errors.js'

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
  if (refusal !== 'NONE') return answered(topics, () => errorNumber(shown(refusal, apiVersion)))
  const isIn = () => node.transactions.includes(producerId, producerEpoch, groupOffsetsTopic, partition)
  const known = topics.flatMap(topic => {
    const exists = node.findTopic(topic.name, zeroUuid)
    if (!exists) return []
    const partitions = topic.partitions.filter(({ partitionIndex }) => exists.partitions[partitionIndex] !== undefined)
    return [{ ...topic, topicId: exists.id, partitions }]
  })
  const ended = () => (isIn() ? 0 : errorNumber(shown('TRANSACTION_ABORTABLE', apiVersion)))
  const response = await node.groups.commitInTransaction({ ...request, topics: known }, ended)
  const errors = new Map<string, number>()
  for (const { name = '', partitions } of response.topics)
    for (const { partitionIndex, errorCode } of partitions) errors.set(`${name}-${partitionIndex}`, withoutMember(errorCode, apiVersion))
  return answered(topics, (name, index) => errors.get(`${name}-${index}`) ?? errorNumber('UNKNOWN_TOPIC_OR_PARTITION'))
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

function answered(topics: Request['topics'], errorOf: (name: string, partition: number) => number): Response {
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: errorOf(name, partitionIndex) }))
    }))
  }
}
