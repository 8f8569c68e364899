import { isPromise, type MaybePromise } from '../../common/deferred.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { JoinGroup } from '../../protocol/messages/join-group.js'
import type { GroupNode } from '../group-node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof JoinGroup>
type Response = ResponseOf<typeof JoinGroup>

/** Until this version the protocol of an answer could not be null. */
const nullableProtocolVersion = 7

/**
 * Takes a member into a group, or back into it for the next generation; answered when the members
 * are complete.
 */
export function joinGroup(node: GroupNode, request: Request, context: RequestContext, signal?: AbortSignal): MaybePromise<Response> {
  const response = node.groups.joinGroup(request, context, signal)
  if (context.apiVersion >= nullableProtocolVersion) return response
  const named = (answer: Response) => ({ ...answer, protocolName: answer.protocolName ?? '' })
  return isPromise(response) ? response.then(named) : named(response)
}
