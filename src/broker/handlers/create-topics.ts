import { createTopics as decide } from '../../metadata/create-topics.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { CreateTopics } from '../../protocol/messages/create-topics.js'
import type { LocalBroker } from '../local-broker.js'

/** Creates topics; each is there, with its logs open, when the answer is. */
export function createTopics(node: LocalBroker, request: RequestOf<typeof CreateTopics>): Promise<ResponseOf<typeof CreateTopics>> {
  return node.change(() => decide(node.metadata, request, node.controllerContext))
}
