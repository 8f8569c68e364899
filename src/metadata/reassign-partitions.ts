import { KafkaError } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { AlterPartitionReassignments } from '../protocol/messages/alter-partition-reassignments.js'
import type { ClusterMetadata, MetadataDecision } from './cluster-metadata.js'
import { assignedPartition, type ControllerContext } from './create-topics.js'
import type { MetadataRecord } from './records.js'
import { refusalOf } from './refusal.js'

type Request = RequestOf<typeof AlterPartitionReassignments>
type Response = ResponseOf<typeof AlterPartitionReassignments>

/**
 * Decides which brokers have replicas of partitions. None has to catch up: a broker that can be
 * named has the log already.
 */
export function reassignPartitions(
  metadata: ClusterMetadata,
  { topics, allowReplicationFactorChange = true }: Request,
  context: ControllerContext
): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const reassign = (name: string, partitionId: number, wanted: readonly number[] | null) => {
    const topic = metadata.expectTopic(name)
    const state = topic.partitions[partitionId]
    if (!state) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no partition ${partitionId} of \`${name}\``)
    if (wanted === null) throw new KafkaError('NO_REASSIGNMENT_IN_PROGRESS')
    const { replicas, isr } = assignedPartition(partitionId, wanted, context)
    if (!allowReplicationFactorChange && replicas.length !== state.replicas.length)
      throw new KafkaError('INVALID_REPLICATION_FACTOR', `The partition has ${state.replicas.length} replica(s), not ${replicas.length}`)
    if (replicas.join() === state.replicas.join()) return
    records.push({ type: 'partitionChange', topicId: topic.id, partitionId, replicas: [...replicas], isr: [...isr] })
  }
  const responses = topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas = null }) => {
      try {
        reassign(name, partitionIndex, replicas)
        return { partitionIndex, errorCode: 0, errorMessage: null }
      } catch (error) {
        return { partitionIndex, ...refusalOf(error) }
      }
    })
  }))
  // As Kafka: a request without topics is not looked at.
  const told = topics.length === 0 || allowReplicationFactorChange
  const response = { throttleTimeMs: 0, allowReplicationFactorChange: told, errorCode: 0, errorMessage: null, responses }
  return { response, records }
}
