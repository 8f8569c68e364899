import { KafkaError } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { CreatePartitions } from '../protocol/messages/create-partitions.js'
import { type ClusterMetadata, type MetadataDecision, type PartitionState, partitionRecord, type TopicState } from './cluster-metadata.js'
import { assignedPartition, type ControllerContext, expectRoom, mostNewPartitions, newPartitions } from './create-topics.js'
import { MetadataRoom } from './limits.js'
import type { MetadataRecord } from './records.js'
import { eachNameOnce, expectOnce, refusalOf, repeatedIn } from './refusal.js'
import { isInternalTopic } from './topic-name.js'

type Request = RequestOf<typeof CreatePartitions>
type Response = ResponseOf<typeof CreatePartitions>
type Wanted = Request['topics'][number]

/** Decides on more partitions for topics that exist; a topic never gets fewer. */
export function createPartitions(metadata: ClusterMetadata, request: Request, context: ControllerContext): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const repeated = repeatedIn(request.topics.map(({ name }) => name))
  let room = mostNewPartitions
  const limits = new MetadataRoom(metadata, context.configs)
  const results = eachNameOnce(request.topics).map(wanted => {
    try {
      expectOnce(wanted.name, repeated)
      const topic = metadata.expectTopic(wanted.name)
      // The number of partitions decides which of them keeps which group.
      if (isInternalTopic(topic.name)) throw new KafkaError('INVALID_TOPIC_EXCEPTION', `\`${topic.name}\` is kept by the cluster itself`)
      const added = partitionsToAdd(topic, wanted, room, context)
      limits.takePartitions(topic.name, topic.partitions.length, added.length)
      context.mutate?.(added.length)
      room -= added.length
      if (!request.validateOnly) records.push(...added.map(partition => partitionRecord(topic.id, partition)))
      return { name: wanted.name, errorCode: 0, errorMessage: null }
    } catch (error) {
      return { name: wanted.name, ...refusalOf(error) }
    }
  })
  return { response: { throttleTimeMs: 0, results }, records }
}

function partitionsToAdd(
  { name, partitions }: TopicState,
  { count, assignments }: Wanted,
  room: number,
  context: ControllerContext
): PartitionState[] {
  const present = partitions.length
  if (count <= present)
    throw new KafkaError('INVALID_PARTITIONS', `\`${name}\` has ${present} partition(s) already, which cannot become ${count}`)
  expectRoom(count - present, room)
  if (!assignments) return newPartitions(present, count, partitions[0].replicas.length, context)
  if (assignments.length !== count - present)
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', `${count - present} new partition(s), but assignments for ${assignments.length}`)
  return assignments.map(({ brokerIds }, i) => assignedPartition(present + i, brokerIds, context))
}
