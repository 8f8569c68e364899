import { errorNumber } from '../../errors.js'
import { clusterMetadataTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeQuorum } from '../../protocol/messages/describe-quorum.js'
import type { NamedNode } from '../node.js'

type Request = RequestOf<typeof DescribeQuorum>
type Response = ResponseOf<typeof DescribeQuorum>
type PartitionResponse = Response['topics'][number]['partitions'][number]

/** Tells who decides about the cluster's metadata: this node alone. */
export function describeQuorum(node: NamedNode, request: Request): Response {
  const topics = request.topics.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map(({ partitionIndex }) =>
      topicName === clusterMetadataTopic && partitionIndex === 0 ? quorumOf(node) : unknown(partitionIndex)
    )
  }))
  const isAsked = topics.some(({ partitions }) => partitions.some(({ errorCode }) => errorCode === 0))
  return { errorCode: 0, errorMessage: '', topics, nodes: isAsked ? [{ nodeId: node.nodeId, listeners: [] }] : [] }
}

function quorumOf({ nodeId, quorum, clock }: NamedNode): PartitionResponse {
  const now = clock.now()
  const { leaderEpoch, logEndOffset } = quorum
  const self = { replicaId: nodeId, logEndOffset, lastFetchTimestamp: now, lastCaughtUpTimestamp: now }
  return {
    partitionIndex: 0,
    errorCode: 0,
    errorMessage: '',
    leaderId: nodeId,
    leaderEpoch,
    highWatermark: logEndOffset,
    currentVoters: [self],
    observers: []
  }
}

function unknown(partitionIndex: number): PartitionResponse {
  return {
    partitionIndex,
    errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION'),
    errorMessage: 'This partition has no quorum here',
    leaderId: 0,
    leaderEpoch: 0,
    highWatermark: 0,
    currentVoters: [],
    observers: []
  }
}
