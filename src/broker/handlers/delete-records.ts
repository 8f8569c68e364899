import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import { isInternalTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteRecords } from '../../protocol/messages/delete-records.js'
import type { LocalBroker } from '../local-broker.js'
import type { Partition } from '../partition.js'

type Response = ResponseOf<typeof DeleteRecords>
type PartitionResponse = Response['topics'][number]['partitions'][number]

const highWatermark = -1

/** Deletes all records before an offset: they can no longer be read, and whole segments of them are removed. */
export function deleteRecords(node: LocalBroker, request: RequestOf<typeof DeleteRecords>): Response {
  const topics = request.topics.map(({ name, partitions }) => {
    const topic = node.findTopic(name, zeroUuid)
    return {
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => {
        const partition = topic?.partitions[partitionIndex]
        return partition ? deleteFrom(node, partition, offset) : refused(partitionIndex, errorNumber('UNKNOWN_TOPIC_OR_PARTITION'))
      })
    }
  })
  return { throttleTimeMs: 0, topics }
}

function deleteFrom(node: LocalBroker, partition: Partition, offset: number): PartitionResponse {
  if (isInternalTopic(partition.topic)) return refused(partition.partition, errorNumber('INVALID_TOPIC_EXCEPTION'))
  if (partition.log.options.cleanupPolicy === 'compact') return refused(partition.partition, errorNumber('POLICY_VIOLATION'))
  try {
    partition.log.deleteRecordsBefore(offset === highWatermark ? partition.highWatermark : offset)
    return { partitionIndex: partition.partition, lowWatermark: partition.logStartOffset, errorCode: 0 }
  } catch (error) {
    return refused(partition.partition, node.errorNumberFor(error, `deleting records of ${partition.topic}-${partition.partition}`))
  }
}

function refused(partitionIndex: number, errorCode: number): PartitionResponse {
  return { partitionIndex, lowWatermark: -1, errorCode }
}
