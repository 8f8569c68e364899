import { createPartitions as decide } from '../../metadata/create-partitions.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { CreatePartitions } from '../../protocol/messages/create-partitions.js'
import type { ControllerNode } from '../node.js'

type Request = RequestOf<typeof CreatePartitions>

/** Adds partitions to topics. Keys may go to other partitions from then on. */
export function createPartitions(node: ControllerNode, request: Request): Promise<ResponseOf<typeof CreatePartitions>> {
  return node.change(() => decide(node.metadata, request, node.controllerContext))
}
