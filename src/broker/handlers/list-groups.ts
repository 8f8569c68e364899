import { coordinatorErrorNumber } from '../../coordinator/coordinator-error.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ListGroups } from '../../protocol/messages/list-groups.js'
import type { GroupNode } from '../group-node.js'

type Request = RequestOf<typeof ListGroups>
type Response = ResponseOf<typeof ListGroups>

/** All groups, or those of some states and types. There is one type so far: classic. */
export async function listGroups(node: GroupNode, { statesFilter = [], typesFilter = [] }: Request): Promise<Response> {
  const wantsClassic = typesFilter.length === 0 || typesFilter.some(type => type.trim().toLowerCase() === 'classic')
  try {
    return { errorCode: 0, groups: wantsClassic ? await node.groups.listGroups(statesFilter) : [] }
  } catch (error) {
    return { errorCode: coordinatorErrorNumber(error), groups: [] }
  }
}
