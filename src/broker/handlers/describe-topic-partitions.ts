import { errorNumber } from '../../errors.js'
import type { PartitionState, TopicState } from '../../metadata/cluster-metadata.js'
import { isInternalTopic, topicNameProblem } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeTopicPartitions } from '../../protocol/messages/describe-topic-partitions.js'
import { allTopicOperations } from '../authorized-operations.js'
import type { ControllerNode, TopicNode } from '../node.js'
import { servedTopic, servedTopics } from '../served-topics.js'

type Request = RequestOf<typeof DescribeTopicPartitions>
type Response = ResponseOf<typeof DescribeTopicPartitions>

/** As Kafka's `max.request.partition.size.limit`. */
const mostPartitions = 2000

/**
 * Describes topics and their partitions in pages (KIP-966): a page that ends early says with which
 * partition the next one begins.
 */
export function describeTopicPartitions(node: TopicNode & ControllerNode, request: Request): Response {
  const { topics: asked, responsePartitionLimit = mostPartitions, cursor = null } = request
  const isCursorAsked = asked.length === 0 || asked.some(({ name }) => name === cursor?.topicName)
  if (cursor && (cursor.partitionIndex < 0 || !isCursorAsked)) return { topics: asked.map(({ name }) => refused(name)), nextCursor: null }
  const names = [...new Set(asked.length > 0 ? asked.map(({ name }) => name) : servedTopics(node).map(({ name }) => name))].sort()
  const topics: Response['topics'] = []
  let room = Math.max(1, Math.min(mostPartitions, responsePartitionLimit))
  for (const name of names) {
    if (cursor && name < cursor.topicName) continue
    const from = cursor?.topicName === name ? cursor.partitionIndex : 0
    if (room === 0) return { topics, nextCursor: { topicName: name, partitionIndex: from } }
    const state = servedTopic(node, name)
    if (!state) {
      topics.push(missing(name))
      continue
    }
    const page = state.partitions.slice(from, from + room)
    topics.push(described(state, page))
    room -= page.length
    const next = from + page.length
    if (next < state.partitions.length) return { topics, nextCursor: { topicName: name, partitionIndex: next } }
  }
  return { topics, nextCursor: null }
}

function described({ name, id }: TopicState, partitions: readonly PartitionState[]): Response['topics'][number] {
  return {
    errorCode: 0,
    name,
    topicId: id,
    isInternal: isInternalTopic(name),
    partitions: partitions.map(describedPartition),
    topicAuthorizedOperations: allTopicOperations
  }
}

function describedPartition({ partition, leaderId, leaderEpoch, replicas, isr }: PartitionState) {
  return {
    errorCode: leaderId < 0 ? errorNumber('LEADER_NOT_AVAILABLE') : 0,
    partitionIndex: partition,
    leaderId,
    leaderEpoch,
    replicaNodes: [...replicas],
    isrNodes: [...isr],
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
    offlineReplicas: []
  }
}

function missing(name: string): Response['topics'][number] {
  const code = topicNameProblem(name) ? 'INVALID_TOPIC_EXCEPTION' : 'UNKNOWN_TOPIC_OR_PARTITION'
  return {
    errorCode: errorNumber(code),
    name,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: allTopicOperations
  }
}

function refused(name: string): Response['topics'][number] {
  return { errorCode: errorNumber('INVALID_REQUEST'), name, isInternal: false, partitions: [] }
}
