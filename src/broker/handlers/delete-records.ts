import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import { isInternalTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteRecords } from '../../protocol/messages/delete-records.js'
import type { TopicNode } from '../node.js'
import type { Partition } from '../partition.js'
import { eachPartitionOnce, type PartitionsOf } from './each-partition-once.js'

type Request = RequestOf<typeof DeleteRecords>
type Response = ResponseOf<typeof DeleteRecords>
type PartitionResponse = Response['topics'][number]['partitions'][number]

const highWatermark = -1

const byPartition: PartitionsOf<Request['topics'][number], Request['topics'][number]['partitions'][number]> = {
  key: ({ name }) => name,
  partitions: ({ partitions }) => partitions,
  index: ({ partitionIndex }) => partitionIndex,
  withPartitions: (topic, partitions) => ({ ...topic, partitions })
}

/**
 * Deletes all records before an offset: they can no longer be read, and whole segments of them are
 * removed.
 */
export async function deleteRecords(node: TopicNode, request: Request): Promise<Response> {
  const topics: Response['topics'] = []
  for (const { name, partitions } of eachPartitionOnce(request.topics, byPartition)) {
    const topic = node.findTopic(name, zeroUuid)
    const answers = partitions.map(({ partitionIndex, offset }) => {
      const partition = topic?.partitions[partitionIndex]
      return partition ? deleteFrom(node, partition, offset) : refused(partitionIndex, errorNumber('UNKNOWN_TOPIC_OR_PARTITION'))
    })
    topics.push({ name, partitions: await Promise.all(answers) })
  }
  return { throttleTimeMs: 0, topics }
}

async function deleteFrom(node: TopicNode, partition: Partition, offset: number): Promise<PartitionResponse> {
  if (isInternalTopic(partition.topic)) return refused(partition.partition, errorNumber('INVALID_TOPIC_EXCEPTION'))
  if (partition.log.options.cleanupPolicy === 'compact') return refused(partition.partition, errorNumber('POLICY_VIOLATION'))
  try {
    await partition.log.deleteRecordsBefore(offset === highWatermark ? partition.highWatermark : offset)
    return { partitionIndex: partition.partition, lowWatermark: partition.logStartOffset, errorCode: 0 }
  } catch (error) {
    return refused(partition.partition, node.errorNumberFor(error, `deleting records of ${partition.topic}-${partition.partition}`))
  }
}

function refused(partitionIndex: number, errorCode: number): PartitionResponse {
  return { partitionIndex, lowWatermark: -1, errorCode }
}
