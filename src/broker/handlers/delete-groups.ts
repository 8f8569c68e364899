import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteGroups } from '../../protocol/messages/delete-groups.js'
import type { GroupNode } from '../group-node.js'

type Request = RequestOf<typeof DeleteGroups>
type Response = ResponseOf<typeof DeleteGroups>

/** Drops groups without members, and all that they have committed. */
export async function deleteGroups(node: GroupNode, { groupsNames }: Request): Promise<Response> {
  const deletions = [...new Set(groupsNames)].map(async groupId => ({ groupId, errorCode: await node.groups.deleteGroup(groupId) }))
  return { results: await Promise.all(deletions) }
}
