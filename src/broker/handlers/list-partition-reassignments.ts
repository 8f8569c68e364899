import type { ResponseOf } from '../../protocol/message.js'
import type { ListPartitionReassignments } from '../../protocol/messages/list-partition-reassignments.js'

/**
 * Lists partitions that are on their way to other brokers (KIP-455). A reassignment here is done
 * when it is answered.
 */
export function listPartitionReassignments(): ResponseOf<typeof ListPartitionReassignments> {
  return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, topics: [] }
}
