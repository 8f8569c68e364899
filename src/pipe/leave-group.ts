import { CoordinatorCache } from '../client/coordinator-cache.js'
import { GroupConnection } from '../client/group-connection.js'
import type { Brokers } from '../protocol/broker.js'
import { LeaveGroup } from '../protocol/messages/leave-group.js'

/**
 * Takes a member with a lasting name out of its group, which its consumer leaves in, as it may come
 * back.
 */
export async function leaveGroup(brokers: Brokers, groupId: string, groupInstanceId: string, signal: AbortSignal): Promise<void> {
  const coordinator = new GroupConnection(groupId, new CoordinatorCache(brokers))
  const member = { memberId: '', groupInstanceId, reason: 'the pipe is closed' }
  await coordinator.ask(LeaveGroup, { groupId, memberId: '', members: [member] }, signal)
}
