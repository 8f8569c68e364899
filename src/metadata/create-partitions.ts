import { errorNumber, KafkaError, type ProtocolErrorCode } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { CreatePartitions } from '../protocol/messages/create-partitions.js'
import { type ClusterMetadata, type MetadataDecision, type PartitionState, partitionRecord, type TopicState } from './cluster-metadata.js'
import { assignedPartition, type ControllerContext, mostNewPartitions, newPartitions } from './create-topics.js'
import type { MetadataRecord } from './records.js'
import { isInternalTopic } from './topic-name.js'

type Request = RequestOf<typeof CreatePartitions>
type Response = ResponseOf<typeof CreatePartitions>
type Wanted = Request['topics'][number]

/** Decides on more partitions for topics that exist; a topic never gets fewer. */
export function createPartitions(metadata: ClusterMetadata, request: Request, context: ControllerContext): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const results = request.topics.map(wanted => {
    try {
      if (request.topics.filter(({ name }) => name === wanted.name).length > 1)
        throw new KafkaError('INVALID_REQUEST', `The request has \`${wanted.name}\` twice`)
      const topic = expectTopic(metadata, wanted.name)
      const added = partitionsToAdd(topic, wanted, context)
      if (!request.validateOnly) records.push(...added.map(partition => partitionRecord(topic.id, partition)))
      return { name: wanted.name, errorCode: 0, errorMessage: null }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      return { name: wanted.name, errorCode: errorNumber(error.code as ProtocolErrorCode), errorMessage: error.message }
    }
  })
  return { response: { throttleTimeMs: 0, results }, records }
}

function expectTopic(metadata: ClusterMetadata, name: string): TopicState {
  const topic = metadata.topics.get(name)
  if (!topic) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic \`${name}\``)
  // Which partition keeps which group follows from their number.
  if (isInternalTopic(name)) throw new KafkaError('INVALID_TOPIC_EXCEPTION', `\`${name}\` is kept by the cluster itself`)
  return topic
}

function partitionsToAdd({ name, partitions }: TopicState, { count, assignments }: Wanted, context: ControllerContext): PartitionState[] {
  const present = partitions.length
  if (count <= present)
    throw new KafkaError('INVALID_PARTITIONS', `\`${name}\` has ${present} partition(s) already, which cannot become ${count}`)
  if (count - present > mostNewPartitions)
    throw new KafkaError('POLICY_VIOLATION', `${count - present} new partitions in one request, where ${mostNewPartitions} are the limit`)
  if (!assignments) return newPartitions(present, count, partitions[0].replicas.length, context)
  if (assignments.length !== count - present)
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', `${count - present} new partition(s), but assignments for ${assignments.length}`)
  return assignments.map(({ brokerIds }, i) => assignedPartition(present + i, brokerIds, context))
}
