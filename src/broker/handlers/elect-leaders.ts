import { errorNumber, KafkaError, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ElectLeaders } from '../../protocol/messages/elect-leaders.js'
import type { ControllerNode } from '../node.js'

type Request = RequestOf<typeof ElectLeaders>
type Response = ResponseOf<typeof ElectLeaders>
type PartitionResult = Response['replicaElectionResults'][number]['partitionResult'][number]

const [preferred, unclean] = [0, 1]

/**
 * Elects leaders (KIP-460). Each partition that has a log here is led from here, so that no
 * election is ever needed.
 */
export function electLeaders(node: ControllerNode, { electionType = preferred, topicPartitions }: Request): Response {
  const isKnown = electionType === preferred || electionType === unclean
  const result = (topic: string, partitionId: number): PartitionResult => {
    if (!isKnown) return refused(partitionId, 'INVALID_REQUEST', `There is no election of type ${electionType}`)
    const state = node.metadata.topics.get(topic)?.partitions[partitionId]
    if (!state) return refused(partitionId, 'UNKNOWN_TOPIC_OR_PARTITION', `There is no partition ${partitionId} of \`${topic}\``)
    if (state.leaderId === node.nodeId) return refused(partitionId, 'ELECTION_NOT_NEEDED')
    return refused(partitionId, electionType === preferred ? 'PREFERRED_LEADER_NOT_AVAILABLE' : 'ELIGIBLE_LEADERS_NOT_AVAILABLE')
  }
  // Of those that were not asked for by name, only the elections that took place are told.
  const replicaElectionResults = topicPartitions
    ? topicPartitions.map(({ topic, partitions }) => ({ topic, partitionResult: partitions.map(partition => result(topic, partition)) }))
    : isKnown
      ? [...node.metadata.topics.keys()].map(topic => ({ topic, partitionResult: [] }))
      : []
  const isRefused = !isKnown && topicPartitions?.length !== 0
  return { throttleTimeMs: 0, errorCode: isRefused ? errorNumber('INVALID_REQUEST') : 0, replicaElectionResults }
}

function refused(partitionId: number, code: ProtocolErrorCode, errorMessage = new KafkaError(code).message): PartitionResult {
  return { partitionId, errorCode: errorNumber(code), errorMessage }
}
