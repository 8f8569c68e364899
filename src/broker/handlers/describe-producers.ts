import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { ProducerEntry } from '../../log/history/producer-state.js'
import { historyOf } from '../../log/log.js'
import { topicNameProblem } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeProducers } from '../../protocol/messages/describe-producers.js'
import type { TopicNode } from '../node.js'

type Request = RequestOf<typeof DescribeProducers>
type Response = ResponseOf<typeof DescribeProducers>
type PartitionResponse = Response['topics'][number]['partitions'][number]

/** Tells which idempotent producers wrote to partitions, and how far they came (KIP-664). */
export function describeProducers(node: TopicNode, request: Request): Response {
  const topics = request.topics.map(({ name, partitionIndexes }) => {
    const topic = node.findTopic(name, zeroUuid)
    const problem = topicNameProblem(name)
    const missing = problem ? errorNumber('INVALID_TOPIC_EXCEPTION') : errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
    const partitions = partitionIndexes.map((partitionIndex): PartitionResponse => {
      const partition = topic?.partitions[partitionIndex]
      if (!partition) return { partitionIndex, errorCode: missing, errorMessage: problem ?? null, activeProducers: [] }
      return {
        partitionIndex,
        errorCode: 0,
        errorMessage: null,
        activeProducers: [...historyOf(partition.log).producers.entries].map(described)
      }
    })
    return { name, partitions }
  })
  return { throttleTimeMs: 0, topics }
}

function described({ producerId, epoch, batches, lastTimestamp, coordinatorEpoch, transactionStart }: ProducerEntry) {
  return {
    producerId,
    producerEpoch: epoch,
    lastSequence: batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp,
    coordinatorEpoch,
    currentTxnStartOffset: transactionStart
  }
}
