import { deleteAcls as decide, noAuthorizer } from '../../authorizer/change-acls.js'
import type { MaybePromise } from '../../common/deferred.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteAcls } from '../../protocol/messages/delete-acls.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof DeleteAcls>

/** Removes ACLs, which hold no longer from the next request on. */
export function deleteAcls(node: ControllerNode, request: Request, context: RequestContext): MaybePromise<ResponseOf<typeof DeleteAcls>> {
  if (!context.hasAcls) return { filterResults: request.filters.map(() => ({ ...noAuthorizer, matchingAcls: [] })) }
  return node.controller.change(() => decide(node.metadata, request))
}
