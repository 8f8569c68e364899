import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AlterReplicaLogDirs } from '../../protocol/messages/alter-replica-log-dirs.js'
import { logDirOf } from '../log-dir.js'
import type { TopicNode } from '../node.js'

type Request = RequestOf<typeof AlterReplicaLogDirs>
type Response = ResponseOf<typeof AlterReplicaLogDirs>

/** Moves logs to another directory (KIP-113). There is one, where all of them are already. */
export function alterReplicaLogDirs(node: TopicNode, { dirs }: Request): Response {
  const results = dirs.flatMap(({ path, topics }) =>
    topics.map(({ name, partitions }) => {
      const topic = node.findTopic(name, zeroUuid)
      const errorOf = (partition: number) => {
        if (path !== logDirOf(node.storage)) return errorNumber('LOG_DIR_NOT_FOUND')
        return topic?.partitions[partition] ? 0 : errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
      }
      return { topicName: name, partitions: partitions.map(partitionIndex => ({ partitionIndex, errorCode: errorOf(partitionIndex) })) }
    })
  )
  return { throttleTimeMs: 0, results }
}
