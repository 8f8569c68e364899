import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeTransactions } from '../../protocol/messages/describe-transactions.js'
import type { Node } from '../node.js'

type Response = ResponseOf<typeof DescribeTransactions>
type Described = Response['transactionStates'][number]

/** Tells how far the transactions of ids are, and which partitions take part (KIP-664). */
export async function describeTransactions(node: Node, { transactionalIds }: RequestOf<typeof DescribeTransactions>): Promise<Response> {
  return { transactionStates: await Promise.all(transactionalIds.map(id => describe(node, id))) }
}

async function describe(node: Node, transactionalId: string): Promise<Described> {
  if (transactionalId === '') return missing(transactionalId, 'INVALID_REQUEST')
  const state = await node.transactions.describe(transactionalId)
  if (state === undefined || typeof state === 'string') return missing(transactionalId, state ?? 'TRANSACTIONAL_ID_NOT_FOUND')
  return {
    errorCode: 0,
    transactionalId,
    transactionState: state.status,
    transactionTimeoutMs: state.timeoutMs,
    transactionStartTimeMs: state.startTimestamp,
    producerId: state.producerId,
    producerEpoch: state.producerEpoch,
    topics: Array.from(state.partitions, ([topic, partitions]) => ({ topic, partitions: [...partitions] }))
  }
}

export function missing(transactionalId: string, error: ProtocolErrorCode): Described {
  return {
    errorCode: errorNumber(error),
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: 0,
    producerId: 0,
    producerEpoch: 0,
    topics: []
  }
}
