import type { MaybePromise } from '../../common/deferred.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { SyncGroup } from '../../protocol/messages/sync-group.js'
import type { GroupNode } from '../group-node.js'
import type { RequestContext } from '../request-context.js'

/** From this version on a member says which protocol it takes the group to have (KIP-559). */
const protocolVersion = 5

/** Brings the leader's assignment in, and gives every member its part of it. */
export function syncGroup(
  node: GroupNode,
  request: RequestOf<typeof SyncGroup>,
  context: RequestContext,
  signal?: AbortSignal
): MaybePromise<ResponseOf<typeof SyncGroup>> {
  const { protocolType = null, protocolName = null } = request
  if (context.apiVersion >= protocolVersion && (protocolType === null || protocolName === null))
    return { errorCode: errorNumber('INCONSISTENT_GROUP_PROTOCOL'), assignment: new Uint8Array(0) }
  return node.groups.syncGroup(request, signal)
}
