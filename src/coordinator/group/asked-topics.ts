import { consumerProtocolType, decodeSubscribedTopics } from '../../assignor/consumer-protocol.js'
import type { JoinRequest } from './classic-member.js'

/**
 * The topics that a consumer subscribes to by joining a group, in any of its protocols, as far as
 * they can be read.
 */
export function topicsAskedFor({ protocolType, protocols }: Pick<JoinRequest, 'protocolType' | 'protocols'>): ReadonlySet<string> {
  const topics = new Set<string>()
  if (protocolType !== consumerProtocolType) return topics
  for (const { metadata } of protocols) {
    try {
      for (const topic of decodeSubscribedTopics(metadata)) topics.add(topic)
    } catch {
      // The group is not taken for a reader of anything then.
    }
  }
  return topics
}
