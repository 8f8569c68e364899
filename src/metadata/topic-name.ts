import { isTopicName } from '../record/topic.js'

export const groupOffsetsTopic = '__consumer_offsets'
export const transactionStateTopic = '__transaction_state'
export const clusterMetadataTopic = '__cluster_metadata'

const internalTopics: readonly string[] = [groupOffsetsTopic, transactionStateTopic, clusterMetadataTopic, '__share_group_state']

/**
 * True if a topic is one that the cluster keeps for itself, which clients may read but not write.
 */
export function isInternalTopic(name: string): boolean {
  return internalTopics.includes(name)
}

/** The reason for which Kafka refuses a name, or undefined when it takes it. */
export function topicNameProblem(name: string): string | undefined {
  if (isTopicName(name)) return undefined
  return `\`${name}\` is not a topic name: at most 249 letters, digits, dots, underscores and dashes, other than "." and ".."`
}

/**
 * The form in which two names must differ: in the names of metrics dots turn into underscores, so
 * `a.b` and `a_b` cannot exist together.
 */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_')
}
