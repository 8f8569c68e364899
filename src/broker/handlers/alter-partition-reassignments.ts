import { reassignPartitions } from '../../metadata/reassign-partitions.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.js'
import type { ControllerNode } from '../node.js'

type Request = RequestOf<typeof AlterPartitionReassignments>
type Response = ResponseOf<typeof AlterPartitionReassignments>

/** Changes which brokers have replicas of partitions (KIP-455). */
export function alterPartitionReassignments(node: ControllerNode, request: Request): Promise<Response> {
  return node.controller.change(() => reassignPartitions(node.metadata, request, node.controller.context))
}
