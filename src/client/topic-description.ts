import { isPromise } from '../common/deferred.js'
import { Warnings } from '../common/warnings.js'
import type { Brokers } from '../protocol/broker.js'
import { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import type { AnyTopic } from '../record/topic.js'
import type { MetadataCache } from './metadata-cache.js'

const topicResource = 2

/** Descriptions that need no look any more. */
const compared = new WeakMap<MetadataCache, WeakSet<AnyTopic>>()
const warnings = new Warnings()

/** Marks a topic as compared with its description. Returns whether it was marked already. */
export function markCompared(topic: AnyTopic, metadata: MetadataCache): boolean {
  const known = compared.get(metadata) ?? new WeakSet<AnyTopic>()
  compared.set(metadata, known)
  if (known.has(topic)) return true
  known.add(topic)
  return false
}

/**
 * Compares a topic that exists with its description, once, and warns where they differ: a description counts only when its topic is
 * created, so that `keep: 'forever'`, for one, keeps nothing of a topic that was there before.
 */
export function compareWithDescription(topic: AnyTopic, brokers: Brokers, metadata: MetadataCache): void {
  if (topic.partitions === undefined && topic.configs === undefined) return
  const known = metadata.topic(topic.name)
  if (!known || markCompared(topic, metadata)) return
  const { partitions, configs } = topic
  const found = known.partitions.length
  if (partitions !== undefined && partitions !== found)
    tell(topic, `${partitions} ${partitions === 1 ? 'partition' : 'partitions'}`, `${found}`, 'createPartitions')
  if (configs) void compareConfigs(topic, configs, brokers)
}

async function compareConfigs(topic: AnyTopic, wanted: NonNullable<AnyTopic['configs']>, brokers: Brokers): Promise<void> {
  const resources = [{ resourceType: topicResource, resourceName: topic.name, configurationKeys: Object.keys(wanted) }]
  try {
    const answer = brokers.any().request(DescribeConfigs, { resources })
    const { results } = isPromise(answer) ? await answer : answer
    for (const { name, value } of results[0]?.configs ?? []) {
      if (name in wanted && value !== String(wanted[name])) tell(topic, `${name}=${wanted[name]}`, `${name}=${value}`, 'alterConfigs')
    }
  } catch {
    // A cluster that does not tell its configs leaves nothing to compare.
  }
}

function tell({ name }: AnyTopic, described: string, found: string, remedy: string): void {
  const text = `Topic \`${name}\` is described with ${described}, and has ${found}. A description counts only when a topic is created: `
  warnings.warn(`${text}change the topic (\`admin().${remedy}\`), or its description`, 'TOPIC_DIFFERS')
}
