import type { MaybePromise } from '../../common/deferred.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { SyncGroup } from '../../protocol/messages/sync-group.js'
import type { GroupNode } from '../group-node.js'
import type { RequestContext } from '../request-context.js'

/** Brings the leader's assignment in, and gives every member its part of it. */
export function syncGroup(
  node: GroupNode,
  request: RequestOf<typeof SyncGroup>,
  _context: RequestContext,
  signal?: AbortSignal
): MaybePromise<ResponseOf<typeof SyncGroup>> {
  return node.groups.syncGroup(request, signal)
}
