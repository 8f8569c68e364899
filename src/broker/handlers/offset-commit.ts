import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import type { GroupNode } from '../group-node.js'
import { newestVersion, type RequestContext } from '../request-context.js'

type Request = RequestOf<typeof OffsetCommit>
type Response = ResponseOf<typeof OffsetCommit>

/** From this version on topics go by their ids alone. */
const firstVersionWithIds = 10

/** Keeps how far a group has read. Offsets of topics and partitions that do not exist are refused, the others kept all the same. */
export async function offsetCommit(node: GroupNode, request: Request, context: RequestContext): Promise<Response> {
  const hasIds = context.apiVersion >= firstVersionWithIds && context.apiVersion !== newestVersion
  const unknownError = (topicId: string) => (hasIds ? errorNumber('UNKNOWN_TOPIC_ID') : node.unknownTopicError(topicId))
  const found = request.topics.map(({ name = '', topicId = zeroUuid }) => node.findTopic(name, topicId))
  const known = request.topics.flatMap((topic, i) => {
    const exists = found[i]
    if (!exists) return []
    const partitions = topic.partitions.filter(({ partitionIndex }) => partitionIndex >= 0 && partitionIndex < exists.partitions.length)
    return [{ ...topic, name: exists.name, topicId: exists.id, partitions }]
  })
  const isCurrent = (name: string, topicId = zeroUuid) => node.findTopic(name, zeroUuid)?.id === topicId
  const answered = (await node.groups.commitOffsets({ ...request, topics: known }, context, isCurrent)).topics.values()
  const topics = request.topics.map(({ name = '', topicId = zeroUuid, partitions }, i) => {
    if (!found[i]) return { name, topicId, partitions: partitions.map(refused(unknownError(topicId))) }
    const kept = new Map(answered.next().value?.partitions.map(answer => [answer.partitionIndex, answer]))
    const missing = refused(node.unknownTopicError(zeroUuid))
    return { name, topicId, partitions: partitions.map(partition => kept.get(partition.partitionIndex) ?? missing(partition)) }
  })
  return { topics }
}

function refused(errorCode: number) {
  return ({ partitionIndex }: { readonly partitionIndex: number }) => ({ partitionIndex, errorCode })
}
