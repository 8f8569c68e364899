import { describeAcls as describe, noAuthorizer } from '../../authorizer/change-acls.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeAcls } from '../../protocol/messages/describe-acls.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof DescribeAcls>

/** Tells ACLs. */
export function describeAcls(node: ControllerNode, request: Request, context: RequestContext): ResponseOf<typeof DescribeAcls> {
  return context.hasAcls ? describe(node.metadata, request) : { ...noAuthorizer, resources: [] }
}
