import { zeroUuid } from '../../common/uuid.js'
import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.js'
import type { Node } from '../node.js'
import { type RequestContext, wasSentSince } from '../request-context.js'
import { abortableFor, fencedFor } from '../transaction-errors.js'

type Request = RequestOf<typeof AddPartitionsToTxn>
type Response = ResponseOf<typeof AddPartitionsToTxn>
type Transaction = NonNullable<Request['transactions']>[number]
type Topic = Transaction['topics'][number]
type TopicResult = NonNullable<Response['resultsByTopicV3AndBelow']>[number]

/** From this version on clients know PRODUCER_FENCED. */
const fencedVersion = 2
/** From this version on the request comes from brokers, and may be for several transactions. */
const brokerVersion = 4
/** From this version on they know TRANSACTION_ABORTABLE. */
const abortableVersion = 5

/**
 * Lets partitions take part in transactions, or asks whether they do. Where one of them does not
 * exist, none is added.
 */
export async function addPartitionsToTxn(node: Node, request: Request, { apiVersion }: RequestContext): Promise<Response> {
  if (isOfBroker(request, apiVersion)) {
    const { transactions = [] } = request
    const results = transactions.map(async transaction => ({
      transactionalId: transaction.transactionalId,
      topicResults: await answerTo(node, transaction, apiVersion)
    }))
    return { errorCode: 0, resultsByTransaction: await Promise.all(results) }
  }
  const transaction = {
    transactionalId: request.v3AndBelowTransactionalId ?? '',
    producerId: request.v3AndBelowProducerId ?? -1,
    producerEpoch: request.v3AndBelowProducerEpoch ?? -1,
    topics: request.v3AndBelowTopics ?? []
  }
  return { resultsByTopicV3AndBelow: await answerTo(node, transaction, apiVersion) }
}

/**
 * True if a request has the form of brokers, which name transactions. In process either form may
 * come.
 */
export function isOfBroker({ transactions = [] }: Request, apiVersion: number): boolean {
  return transactions.length > 0 || wasSentSince(brokerVersion, apiVersion)
}

async function answerTo(node: Node, transaction: Transaction, apiVersion: number): Promise<TopicResult[]> {
  const { topics, verifyOnly = false } = transaction
  const exists = (name: string, partition: number) => node.findTopic(name, zeroUuid)?.partitions[partition] !== undefined
  if (topics.some(({ name, partitions }) => partitions.some(partition => !exists(name, partition))))
    return resultsFor(topics, (name, partition) => (exists(name, partition) ? 'OPERATION_NOT_ATTEMPTED' : 'UNKNOWN_TOPIC_OR_PARTITION'))
  const shown = (error: ProtocolErrorCode) => abortableFor(fencedFor(error, apiVersion >= fencedVersion), apiVersion >= abortableVersion)
  if (!verifyOnly) {
    const partitions = new Map(topics.map(({ name, partitions }) => [name, new Set(partitions)]))
    const error = shown(await node.transactions.addPartitions(transaction, partitions, 0))
    return resultsFor(topics, () => error)
  }
  const errors = new Map<string, ProtocolErrorCode>()
  for (const { name, partitions } of topics)
    for (const partition of partitions)
      errors.set(`${name}-${partition}`, shown(await node.transactions.verifyPartition(transaction, name, partition)))
  return resultsFor(topics, (name, partition) => errors.get(`${name}-${partition}`) ?? 'NONE')
}

/** The answers for the partitions of topics. */
export function resultsFor(topics: readonly Topic[], errorOf: (name: string, partition: number) => ProtocolErrorCode): TopicResult[] {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map(partitionIndex => ({
      partitionIndex,
      partitionErrorCode: errorNumber(errorOf(name, partitionIndex))
    }))
  }))
}
