import { zeroUuid } from '../../common/uuid.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetDelete } from '../../protocol/messages/offset-delete.js'
import type { GroupNode } from '../group-node.js'

type Request = RequestOf<typeof OffsetDelete>
type Response = ResponseOf<typeof OffsetDelete>

/** Drops committed offsets of topics that the group does not read any more. */
export async function offsetDelete(node: GroupNode, request: Request): Promise<Response> {
  const countOf = (name: string) => node.findTopic(name, zeroUuid)?.partitions.length ?? 0
  const known = request.topics.map(({ name, partitions }) => {
    return { name, partitions: partitions.filter(({ partitionIndex }) => partitionIndex >= 0 && partitionIndex < countOf(name)) }
  })
  const response = await node.groups.deleteOffsets({ ...request, topics: known })
  if (response.errorCode !== 0) return response
  const errorCode = node.unknownTopicError(zeroUuid)
  const topics = request.topics.map(({ name, partitions }, i) => {
    const deleted = new Map(response.topics[i].partitions.map(answer => [answer.partitionIndex, answer]))
    return { name, partitions: partitions.map(({ partitionIndex }) => deleted.get(partitionIndex) ?? { partitionIndex, errorCode }) }
  })
  return { ...response, topics }
}
