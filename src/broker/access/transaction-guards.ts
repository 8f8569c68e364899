import type { ProtocolErrorCode } from '../../errors.js'
import type { AddConditionsToTxn } from '../../protocol/messages/add-conditions-to-txn.js'
import type { AddOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.js'
import type { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.js'
import type { DescribeTransactions } from '../../protocol/messages/describe-transactions.js'
import type { EndTxn } from '../../protocol/messages/end-txn.js'
import type { ListTransactions } from '../../protocol/messages/list-transactions.js'
import type { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.js'
import type { WriteTxnMarkers } from '../../protocol/messages/write-txn-markers.js'
import { isOfBroker, resultsFor } from '../handlers/add-partitions-to-txn.js'
import { missing } from '../handlers/describe-transactions.js'
import { clusterDenied, type Guard, groupDenied, inOrder, permitting, topicDenied, transactionalIdDenied } from './guard.js'

/** Of producers, whose form of the request is the older one; brokers ask in the newer one. */
export const addPartitionsToTxnGuard: Guard<typeof AddPartitionsToTxn> = async ({ access, request, context, answer }) => {
  const { v3AndBelowTransactionalId: transactionalId = '', v3AndBelowTopics: topics = [] } = request
  if (isOfBroker(request, context.apiVersion)) {
    if (await access.mayCluster('clusterAction')) return answer(request)
    return { errorCode: clusterDenied, resultsByTransaction: [] }
  }
  const refusedWith = (errorOf: (name: string) => ProtocolErrorCode) => ({ resultsByTopicV3AndBelow: resultsFor(topics, errorOf) })
  if (!(await access.may('write', 'transactionalId', transactionalId))) return refusedWith(() => 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  const allowed = await access.which(
    'write',
    'topic',
    topics.map(({ name }) => name)
  )
  if (topics.every(({ name }) => allowed.has(name))) return answer(request)
  return refusedWith(name => (allowed.has(name) ? 'OPERATION_NOT_ATTEMPTED' : 'TOPIC_AUTHORIZATION_FAILED'))
}

export const addConditionsToTxnGuard: Guard<typeof AddConditionsToTxn> = async ({ access, request, answer }) => {
  if (!(await access.may('write', 'transactionalId', request.transactionalId))) return { errorCode: transactionalIdDenied }
  return (await access.may('write', 'topic', request.topic)) ? answer(request) : { errorCode: topicDenied }
}

export const addOffsetsToTxnGuard: Guard<typeof AddOffsetsToTxn> = async ({ access, request, answer }) => {
  if (!(await access.may('write', 'transactionalId', request.transactionalId))) return { errorCode: transactionalIdDenied }
  return (await access.may('read', 'group', request.groupId)) ? answer(request) : { errorCode: groupDenied }
}

export const endTxnGuard: Guard<typeof EndTxn> = async ({ access, request, answer }) =>
  (await access.may('write', 'transactionalId', request.transactionalId)) ? answer(request) : { errorCode: transactionalIdDenied }

export const txnOffsetCommitGuard: Guard<typeof TxnOffsetCommit> = async ({ access, request, answer }) => {
  const { transactionalId, groupId, topics } = request
  const refuseWith =
    (errorCode: number) =>
    ({ name, partitions }: (typeof topics)[number]) => {
      return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
    }
  if (!(await access.may('write', 'transactionalId', transactionalId))) return { topics: topics.map(refuseWith(transactionalIdDenied)) }
  if (!(await access.may('read', 'group', groupId))) return { topics: topics.map(refuseWith(groupDenied)) }
  const passes = await permitting(access, 'read', 'topic', topics, ({ name }) => name)
  const passed = topics.filter(passes)
  const response = passed.length === 0 && topics.length > 0 ? { topics: [] } : await answer({ ...request, topics: passed })
  return { ...response, topics: inOrder(topics, passes, response.topics, refuseWith(topicDenied)) }
}

export const writeTxnMarkersGuard: Guard<typeof WriteTxnMarkers> = async ({ access, request, answer }) => {
  if ((await access.mayCluster('alter')) || (await access.mayCluster('clusterAction'))) return answer(request)
  const refused = request.markers.map(({ producerId, topics }) => ({
    producerId,
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: clusterDenied }))
    }))
  }))
  return { markers: refused }
}

/** Topics that the client may not describe are left out of what it is told. */
export const describeTransactionsGuard: Guard<typeof DescribeTransactions> = async ({ access, request, answer }) => {
  const allowed = await access.which('describe', 'transactionalId', request.transactionalIds)
  const passes = (id: string) => allowed.has(id)
  const response = await answer({ transactionalIds: request.transactionalIds.filter(passes) })
  const all = response.transactionStates.flatMap(({ topics }) => topics)
  const isShown = await permitting(access, 'describe', 'topic', all, ({ topic }) => topic)
  const states = response.transactionStates.map(state => ({ ...state, topics: state.topics.filter(isShown) }))
  const refuse = (id: string) => missing(id, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  return { ...response, transactionStates: inOrder(request.transactionalIds, passes, states, refuse) }
}

export const listTransactionsGuard: Guard<typeof ListTransactions> = async ({ access, request, answer }) => {
  const response = await answer(request)
  const { transactionStates } = response
  const isShown = await permitting(access, 'describe', 'transactionalId', transactionStates, ({ transactionalId }) => transactionalId)
  return { ...response, transactionStates: transactionStates.filter(isShown) }
}
