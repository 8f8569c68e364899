import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeLogDirs } from '../../protocol/messages/describe-log-dirs.js'
import { logDirOf } from '../log-dir.js'
import type { TopicNode } from '../node.js'
import type { Partition } from '../partition.js'

type Request = RequestOf<typeof DescribeLogDirs>
type Response = ResponseOf<typeof DescribeLogDirs>

/** Tells how much each partition keeps. All of a node's logs are in one place, its storage. */
export function describeLogDirs(node: TopicNode, { topics }: Request): Response {
  const wanted = topics && partitionsByTopic(topics)
  const described = [...node.topics.values()].flatMap(topic => {
    const partitions = topic.partitions.filter(({ partition }) => !wanted || wanted.get(topic.name)?.has(partition))
    return partitions.length === 0 ? [] : [{ name: topic.name, partitions: partitions.map(sizeOf) }]
  })
  const logDir = logDirOf(node.storage)
  return { errorCode: 0, results: [{ errorCode: 0, logDir, topics: described, totalBytes: -1, usableBytes: -1, isCordoned: false }] }
}

function partitionsByTopic(topics: NonNullable<Request['topics']>): Map<string, Set<number>> {
  const byTopic = new Map<string, Set<number>>()
  for (const { topic, partitions } of topics) {
    const found = byTopic.get(topic) ?? new Set()
    byTopic.set(topic, found)
    for (const partition of partitions) found.add(partition)
  }
  return byTopic
}

function sizeOf({ partition, log }: Partition) {
  return { partitionIndex: partition, partitionSize: log.sizeInBytes, offsetLag: 0, isFutureKey: false }
}
