import { deleteTopics as decide } from '../../metadata/delete-topics.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteTopics } from '../../protocol/messages/delete-topics.js'
import type { LocalBroker } from '../local-broker.js'

/** Deletes topics with all that is in them. */
export function deleteTopics(node: LocalBroker, request: RequestOf<typeof DeleteTopics>): Promise<ResponseOf<typeof DeleteTopics>> {
  return node.change(() => decide(node.metadata, request, node.controllerContext))
}
