import type { TopicState } from '../metadata/cluster-metadata.js'
import type { ControllerNode, TopicNode } from './node.js'

type Topics = Pick<TopicNode & ControllerNode, 'topics' | 'metadata'>

/** All topics that clients are told of. */
export function servedTopics(node: Topics): TopicState[] {
  return [...node.topics.keys()].flatMap(name => servedTopic(node, name) ?? [])
}

/**
 * The topic that clients are told of: in the metadata, and with its logs open. One that is being
 * created has no open logs yet; one that is being deleted still has them, when the metadata have it
 * no longer, or another of its name.
 */
export function servedTopic({ topics, metadata }: Topics, name: string): TopicState | undefined {
  const state = metadata.topics.get(name)
  return state && topics.get(name)?.id === state.id ? state : undefined
}
