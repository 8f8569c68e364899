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
  const isAsked = isForMetadata(request)
  const topics = request.topics.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map(({ partitionIndex }) => (isAsked ? quorumOf(node) : unknown(partitionIndex)))
  }))
  return { errorCode: 0, errorMessage: '', topics, nodes: isAsked ? [{ nodeId: node.nodeId, listeners: [] }] : [] }
}

/** As Kafka, answers a request that names the one partition of the metadata and nothing else. */
function isForMetadata({ topics }: Request): boolean {
  if (topics.length !== 1 || topics[0].partitions.length !== 1) return false
  return topics[0].topicName === clusterMetadataTopic && topics[0].partitions[0].partitionIndex === 0
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
