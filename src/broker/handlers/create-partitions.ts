import { createPartitions as decide } from '../../metadata/create-partitions.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { CreatePartitions } from '../../protocol/messages/create-partitions.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof CreatePartitions>

/**
 * Before this version clients did not know the error for too many changes, and are only throttled.
 */
const firstStrictVersion = 3

/** Adds partitions to topics. Keys may go to other partitions from then on. */
export function createPartitions(
  node: ControllerNode,
  request: Request,
  context: RequestContext
): Promise<ResponseOf<typeof CreatePartitions>> {
  return node.controller.change(() => decide(node.metadata, request, node.controller.contextFor(context, firstStrictVersion)))
}
