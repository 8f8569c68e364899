import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { WriteTxnMarkers } from '../../protocol/messages/write-txn-markers.js'
import type { Node } from '../node.js'
import { writeMarker } from '../transaction-markers.js'

/**
 * Ends transactions in partitions, as their coordinator says, or somebody who ends a transaction
 * that no coordinator knows (KIP-664).
 */
export async function writeTxnMarkers(
  node: Node,
  { markers }: RequestOf<typeof WriteTxnMarkers>
): Promise<ResponseOf<typeof WriteTxnMarkers>> {
  const answers = markers.map(
    async ({ producerId, producerEpoch, transactionResult, topics, coordinatorEpoch, transactionVersion = 0 }) => {
      const type = transactionResult ? 'COMMIT' : 'ABORT'
      const end = { type, producerId, producerEpoch, coordinatorEpoch } as const
      const write = async (name: string, partitionIndex: number) => {
        const partition = node.findTopic(name, zeroUuid)?.partitions[partitionIndex]
        if (!partition) return { partitionIndex, errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
        try {
          await writeMarker(node, partition, end, transactionVersion)
          return { partitionIndex, errorCode: 0 }
        } catch (error) {
          return { partitionIndex, errorCode: node.errorNumberFor(error, `a marker for ${name}-${partitionIndex}`) }
        }
      }
      const answered = topics.map(async ({ name, partitionIndexes }) => ({
        name,
        partitions: await Promise.all(partitionIndexes.map(index => write(name, index)))
      }))
      return { producerId, topics: await Promise.all(answered) }
    }
  )
  return { markers: await Promise.all(answers) }
}
