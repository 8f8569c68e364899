import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeGroups } from '../../protocol/messages/describe-groups.js'
import { allGroupOperations } from '../authorized-operations.js'
import type { GroupNode } from '../group-node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof DescribeGroups>
type Response = ResponseOf<typeof DescribeGroups>

/**
 * From this version on a group that does not exist is an error; before, it was a dead group
 * (KIP-1043).
 */
const missingIsErrorVersion = 6

/** Groups with their members, and, where they are stable, what each of them reads. */
export async function describeGroups(node: GroupNode, request: Request, { apiVersion }: RequestContext): Promise<Response> {
  const { groups, includeAuthorizedOperations } = request
  const described = await Promise.all(groups.map(groupId => node.groups.describeGroup(groupId, apiVersion >= missingIsErrorVersion)))
  if (!includeAuthorizedOperations) return { groups: described }
  return { groups: described.map(group => (group.errorCode === 0 ? { ...group, authorizedOperations: allGroupOperations } : group)) }
}
