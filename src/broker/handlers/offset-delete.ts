import { zeroUuid } from '../../common/uuid.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetDelete } from '../../protocol/messages/offset-delete.js'
import type { GroupNode } from '../group-node.js'

type Request = RequestOf<typeof OffsetDelete>
type Response = ResponseOf<typeof OffsetDelete>

/** Drops committed offsets of topics that the group does not read any more. */
export async function offsetDelete(node: GroupNode, request: Request): Promise<Response> {
  const exists = ({ name }: { readonly name: string }) => node.findTopic(name, zeroUuid) !== undefined
  const response = await node.groups.deleteOffsets({ ...request, topics: request.topics.filter(exists) })
  if (response.errorCode !== 0) return response
  const errorCode = node.unknownTopicError(zeroUuid)
  const missing = request.topics
    .filter(topic => !exists(topic))
    .map(({ name, partitions }) => ({ name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }))
  return { ...response, topics: [...response.topics, ...missing] }
}
