import { createAcls as decide, noAuthorizer } from '../../authorizer/change-acls.js'
import type { MaybePromise } from '../../common/deferred.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { CreateAcls } from '../../protocol/messages/create-acls.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof CreateAcls>

/** Adds ACLs, which hold from the next request on. */
export function createAcls(node: ControllerNode, request: Request, context: RequestContext): MaybePromise<ResponseOf<typeof CreateAcls>> {
  if (!context.hasAcls) return { results: request.creations.map(() => noAuthorizer) }
  return node.controller.change(() => decide(node.metadata, request, node))
}
