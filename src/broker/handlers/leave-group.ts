import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { LeaveGroup } from '../../protocol/messages/leave-group.js'
import type { GroupNode } from '../group-node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof LeaveGroup>
type Response = ResponseOf<typeof LeaveGroup>

const firstVersionWithMembers = 3

/**
 * Takes members out of a group. Until version 3 a request named one, at its top, and had the answer
 * there.
 */
export async function leaveGroup(
  node: GroupNode,
  { groupId, memberId = '', members = [] }: Request,
  { apiVersion }: RequestContext
): Promise<Response> {
  const namesMembers = members.length > 0 || memberId === ''
  if (apiVersion >= firstVersionWithMembers && namesMembers) return node.groups.leaveGroup(groupId, members)
  const { errorCode, members: left = [] } = await node.groups.leaveGroup(groupId, [{ memberId, groupInstanceId: null }])
  return { errorCode: errorCode || (left[0]?.errorCode ?? 0), members: left }
}
