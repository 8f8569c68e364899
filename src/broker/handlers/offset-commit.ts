import { zeroUuid } from '../../common/uuid.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import type { GroupNode } from '../group-node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof OffsetCommit>
type Response = ResponseOf<typeof OffsetCommit>

/** Keeps how far a group has read. Offsets of topics that do not exist are refused, the others kept all the same. */
export async function offsetCommit(node: GroupNode, request: Request, context: RequestContext): Promise<Response> {
  const found = request.topics.map(({ name = '', topicId = zeroUuid }) => node.findTopic(name, topicId))
  const known = request.topics.flatMap((topic, i) => (found[i] ? [{ ...topic, name: found[i].name }] : []))
  const answered = (await node.groups.commitOffsets({ ...request, topics: known }, context)).topics.values()
  const topics = request.topics.map(({ name = '', topicId = zeroUuid, partitions }, i) => {
    const answer = found[i] ? answered.next().value : undefined
    const errorCode = node.unknownTopicError(topicId)
    return { name, topicId, partitions: answer?.partitions ?? partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
  })
  return { topics }
}
