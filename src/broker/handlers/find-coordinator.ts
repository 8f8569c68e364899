import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { FindCoordinator } from '../../protocol/messages/find-coordinator.js'
import type { GroupNode } from '../group-node.js'

type Request = RequestOf<typeof FindCoordinator>
type Response = ResponseOf<typeof FindCoordinator>

const keyType = { group: 0, transaction: 1 } as const

/**
 * The node that coordinates a group or a transactional id: with one node, always this one. That
 * holds for transactions too, so that a client learns from the request it then sends, and at once,
 * whether they are served, instead of asking for their coordinator until it gives up.
 */
export function findCoordinator(node: GroupNode, { key = '', keyType: type = keyType.group, coordinatorKeys = [] }: Request): Response {
  const isKnown = type === keyType.group || type === keyType.transaction
  const errorMessage = isKnown ? null : `There is no coordinator for keys of type ${type}`
  const errorCode = isKnown ? 0 : errorNumber('INVALID_REQUEST')
  const where = isKnown ? { nodeId: node.nodeId, ...node.endpoint } : { nodeId: -1, host: '', port: -1 }
  // Before version 4 a request asked for one key, at its top, and had the answer there.
  const keys = coordinatorKeys.length > 0 || key === '' ? coordinatorKeys : [key]
  return { errorCode, errorMessage, ...where, coordinators: keys.map(each => ({ key: each, ...where, errorCode, errorMessage })) }
}
