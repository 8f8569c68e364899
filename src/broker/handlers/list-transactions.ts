import { SimplePattern } from '../../common/simple-pattern.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ListTransactions } from '../../protocol/messages/list-transactions.js'
import type { Node } from '../node.js'

type Request = RequestOf<typeof ListTransactions>
type Response = ResponseOf<typeof ListTransactions>

/**
 * Lists transactional ids, by the state of their transactions, their producers, how long they last,
 * and a pattern (KIP-664, KIP-994, KIP-1152).
 */
export function listTransactions(node: Node, request: Request): Response {
  const { stateFilters, producerIdFilters, durationFilter = -1, transactionalIdPattern = null } = request
  const pattern = patternOf(transactionalIdPattern)
  if (pattern === undefined) return { errorCode: errorNumber('INVALID_REGULAR_EXPRESSION'), unknownStateFilters: [], transactionStates: [] }
  const filter = { states: stateFilters, producerIds: producerIdFilters, durationMs: durationFilter, pattern }
  const { unknownStates, transactions } = node.transactions.list(filter)
  return {
    errorCode: 0,
    unknownStateFilters: unknownStates,
    transactionStates: transactions.map(({ transactionalId, producerId, status }) => ({
      transactionalId,
      producerId,
      transactionState: status
    }))
  }
}

/** Undefined for one that cannot be read. */
function patternOf(text: string | null): SimplePattern | null | undefined {
  return text === null || text === '' ? null : SimplePattern.parse(text)
}
