import type { MaybePromise } from '../../common/deferred.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { Heartbeat } from '../../protocol/messages/heartbeat.js'
import type { GroupNode } from '../group-node.js'

/** A member's sign of life; the answer calls it to a rebalance when there is one. */
export function heartbeat(node: GroupNode, request: RequestOf<typeof Heartbeat>): MaybePromise<ResponseOf<typeof Heartbeat>> {
  return node.groups.heartbeat(request)
}
