import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import type { GroupNode } from '../group-node.js'
import { type RequestContext, wasSentSince } from '../request-context.js'

type Request = RequestOf<typeof OffsetCommit>
type Response = ResponseOf<typeof OffsetCommit>

/** From this version on topics go by their ids alone. */
const firstVersionWithIds = 10

/** Keeps how far a group has read. Offsets of topics and partitions that do not exist are refused, the others kept all the same. */
export async function offsetCommit(node: GroupNode, request: Request, context: RequestContext): Promise<Response> {
  const hasIds = wasSentSince(firstVersionWithIds, context.apiVersion)
  const unknownError = (topicId: string) => (hasIds ? errorNumber('UNKNOWN_TOPIC_ID') : node.unknownTopicError(topicId))
  const found = request.topics.map(({ name = '', topicId = zeroUuid }) => node.findTopic(name, topicId))
  const known = request.topics.flatMap((topic, i) => {
    const existing = found[i]
    if (!existing) return []
    const partitions = topic.partitions.filter(({ partitionIndex }) => hasPartition(existing, partitionIndex))
    return [{ ...topic, name: existing.name, topicId: existing.id, partitions }]
  })
  const answered = (await node.groups.commitOffsets({ ...request, topics: known }, context)).topics.values()
  const topics = request.topics.map(({ name = '', topicId = zeroUuid, partitions }, i) => {
    const existing = found[i]
    if (!existing) return { name, topicId, partitions: partitions.map(refused(unknownError(topicId))) }
    // A partition may stand twice in a request: each of its entries has an answer of its own.
    const kept = answered.next().value?.partitions.values()
    const missing = refused(node.unknownTopicError(zeroUuid))
    const answerOf = (partition: Partition) =>
      (hasPartition(existing, partition.partitionIndex) && kept?.next().value) || missing(partition)
    return { name, topicId, partitions: partitions.map(answerOf) }
  })
  return { topics }
}

interface Partition {
  readonly partitionIndex: number
}

function hasPartition({ partitions }: { readonly partitions: readonly unknown[] }, partition: number): boolean {
  return partition >= 0 && partition < partitions.length
}

function refused(errorCode: number) {
  return ({ partitionIndex }: Partition) => ({ partitionIndex, errorCode })
}
