import type { MetadataCache } from '../../client/metadata-cache.js'
import { KafkaError } from '../../errors.js'
import { isSameTopic, type PendingCommit } from '../assigned-partition.js'

/** Errors for which a group refuses a commit, whichever its partitions are. */
export const concernsMembership: ReadonlySet<string> = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'FENCED_INSTANCE_ID',
  'GROUP_AUTHORIZATION_FAILED'
])

export function isUnknownTopic({ code }: KafkaError): boolean {
  return code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'UNKNOWN_TOPIC_ID'
}

/** Looks the topics up that the coordinator does not know, so that `isGone` can tell. */
export async function lookUpUnknown(refusals: readonly KafkaError[], metadata: MetadataCache, signal?: AbortSignal): Promise<void> {
  const topics = new Set(refusals.filter(isUnknownTopic).map(({ topic = '' }) => topic))
  if (topics.size === 0) return
  try {
    await metadata.refresh([...topics], { allowAutoTopicCreation: false, unknownTopicRetries: 0, retry: false, signal })
  } catch (error) {
    if (!(error instanceof KafkaError && isUnknownTopic(error))) throw error
  }
}

/**
 * True for the error of a partition that does not exist any more, as opposed to the coordinator not
 * having heard of it yet: no other try mends that. `open` are the commits that it may be about.
 */
export function isGone(error: unknown, open: readonly PendingCommit[], metadata: MetadataCache): boolean {
  if (!(error instanceof KafkaError && isUnknownTopic(error))) return false
  const { topic = '', partition = -1 } = error
  if (metadata.partition(topic, partition) === undefined) return true
  const commit = open.find(({ given }) => given.topic === topic && given.partition === partition)
  return commit !== undefined && !isSameTopic(commit.topicId, metadata.topic(topic)?.id)
}
