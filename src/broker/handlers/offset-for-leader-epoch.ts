import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.js'
import { epochEnd, leaderEpochError } from '../leader-epoch-check.js'
import type { TopicNode } from '../node.js'
import type { Partition } from '../partition.js'

type Request = RequestOf<typeof OffsetForLeaderEpoch>
type Response = ResponseOf<typeof OffsetForLeaderEpoch>
type PartitionResponse = Response['topics'][number]['partitions'][number]
type Wanted = Request['topics'][number]['partitions'][number]

/**
 * Tells where the log of a leader epoch ends, so that a client can see whether records that it has
 * read were lost (KIP-320).
 */
export function offsetForLeaderEpoch(node: TopicNode, request: Request): Response {
  const topics = request.topics.map(({ topic: name, partitions }) => {
    const topic = node.findTopic(name, zeroUuid)
    return { topic: name, partitions: partitions.map(wanted => endOf(topic?.partitions[wanted.partition], wanted)) }
  })
  return { throttleTimeMs: 0, topics }
}

function endOf(partition: Partition | undefined, { partition: index, currentLeaderEpoch = -1, leaderEpoch }: Wanted): PartitionResponse {
  const errorCode = partition ? leaderEpochError(partition, currentLeaderEpoch) : errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
  if (!partition || errorCode !== 0) return { errorCode, partition: index, leaderEpoch: -1, endOffset: -1 }
  const end = epochEnd(partition, leaderEpoch, partition.highWatermark)
  return { errorCode: 0, partition: index, leaderEpoch: end.epoch, endOffset: end.endOffset }
}
