import { createTopics as decide } from '../../metadata/create-topics.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { CreateTopics } from '../../protocol/messages/create-topics.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof CreateTopics>

/**
 * Before this version clients did not know the error for too many changes, and are only throttled.
 */
const firstStrictVersion = 6

/** Creates topics; each is there, with its logs open, when the answer is. */
export function createTopics(node: ControllerNode, request: Request, context: RequestContext): Promise<ResponseOf<typeof CreateTopics>> {
  return node.controller.change(() => decide(node.metadata, request, node.controller.contextFor(context, firstStrictVersion)))
}
