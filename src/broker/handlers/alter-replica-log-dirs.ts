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
  const errorOf = (path: string, name: string, partition: number) => {
    if (path !== logDirOf(node.storage)) return errorNumber('LOG_DIR_NOT_FOUND')
    return node.findTopic(name, zeroUuid)?.partitions[partition] ? 0 : errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
  }
  // A partition that is named again counts as it was named last.
  const errors = new Map<string, Map<number, number>>()
  for (const { path, topics } of dirs) {
    for (const { name, partitions } of topics) {
      const ofTopic = errors.get(name) ?? new Map<number, number>()
      errors.set(name, ofTopic)
      for (const partition of partitions) ofTopic.set(partition, errorOf(path, name, partition))
    }
  }
  const results = [...errors].map(([topicName, partitions]) => {
    return { topicName, partitions: [...partitions].map(([partitionIndex, errorCode]) => ({ partitionIndex, errorCode })) }
  })
  return { throttleTimeMs: 0, results }
}
